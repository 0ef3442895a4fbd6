"""Mirrored pictures: half of them, drawn anew in every epoch, and the rest untouched."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from scipy.stats import binomtest
from torch import Generator

from aecore.training.augmentation import mirrored
from aecore.training.loop import train
from tests.aecore.recordable import waiting
from tests.aecore.training.little import CPU, bits, dataset, ended, spec_of, split, trained

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
def test_half_of_the_pictures_are_mirrored_and_the_others_are_as_they_were(layout: torch.memory_format) -> None:
    pictures = torch.rand(1000, 3, 4, 6, generator=Generator().manual_seed(0)).contiguous(memory_format=layout)
    drawn = mirrored(pictures, Generator().manual_seed(1))
    same = (drawn == pictures).flatten(1).all(1)
    turned = (drawn == torch.from_numpy(pictures.numpy()[:, :, :, ::-1].copy())).flatten(1).all(1)
    assert (same ^ turned).all()
    assert binomtest(int(turned.sum()), 1000).pvalue > 0.001
    assert drawn.stride() == pictures.stride()


def test_the_draw_is_the_generator_s() -> None:
    pictures = torch.rand(20, 3, 4, 6)
    one, again, other = (mirrored(pictures, Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_it_can_be_recorded_as_a_graph() -> None:
    pictures, generator = torch.rand(4, 3, 4, 4), Generator()
    assert waiting(lambda: mirrored(pictures, generator)) == set()


def test_a_run_mirrors_anew_in_every_epoch() -> None:
    """With weights that hardly move, the training loss moves by what is mirrored alone."""
    spec = spec_of("3x8x8 | flatten | dense4 | dense192:sigmoid | reshape3x8x8", flips=True, learning_rate=1e-9)
    losses = [row.train_loss for row in trained(spec).history]
    assert all(abs(after - before) > 1e-5 * before for before, after in pairwise(losses))
    still = [row.train_loss for row in trained(replace(spec, recipe=replace(spec.recipe, flips=None))).history]
    assert max(still) - min(still) < 1e-5 * still[0]


def test_pictures_that_are_their_own_mirror_image_train_to_the_same_weights() -> None:
    half = split(45, 1).pixels
    symmetric = torch.maximum(half, half.flip(3))
    pictures = dataset(train=replace(split(45, 1), pixels=symmetric))
    plain = trained(spec_of(), pictures)
    assert bits(trained(spec_of(flips=True), pictures)) == bits(plain)
    assert bits(trained(spec_of(flips=True))) != bits(trained(spec_of()))


def test_a_run_that_mirrors_goes_on_bit_for_bit() -> None:
    spec = spec_of(flips=True)
    states = [event.state for event in ended(train(spec, dataset(), CPU))]
    assert bits(trained(spec, state=states[0])) == bits(states[-1])
