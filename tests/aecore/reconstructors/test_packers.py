"""Packers: a stream holds what its setting promises, and nothing else is needed to unpack it."""

from math import log2

import numpy as np
import pytest
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.measuring.entropy import Alphabet
from aecore.reconstructors import codecs
from aecore.reconstructors.codecs import CodecError
from aecore.reconstructors.packers import Files, QuantisedCodes, by_component
from aecore.reconstructors.pca import Components, fit_pca
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store
from tests.aecore.rounding import EPS
from tests.aecore.studies.published_rates import PUBLISHED


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """Crops of photographs, `[300, 3, 32, 32]`."""
    return to_float(datasets.load("sample").train.pixels[:300])


@pytest.fixture(scope="module")
def model() -> Model:
    """A published model whose code is a feature map, of 4×4 places."""
    return Store(PUBLISHED).load("deep-strided-4-bn")


def packer_of(model: Model, photographs: Tensor, *bits: float) -> QuantisedCodes:
    """Its codes at some bits of the widest number, with equal gains."""
    codes = model.encode(photographs)
    numbers = by_component(codes)
    alphabets = tuple(Alphabet.fit(numbers, np.ones(len(numbers)), some) for some in bits)
    return QuantisedCodes(model, tuple(codes.shape[1:]), alphabets, tuple(f"{some} bits" for some in bits))


def test_a_decoded_stream_is_the_picture_of_the_rounded_code(model: Model, photographs: Tensor) -> None:
    packer = packer_of(model, photographs, 3, 6)
    given = photographs[:5]
    for setting, alphabet in enumerate(packer.alphabets):
        decoded = packer.unpack(packer.pack(given, setting), setting)
        codes = model.encode(given)
        # Plain rounding, written out: the nearest multiple of the step, moved by the shift, inside the range.
        rounded = torch.empty_like(codes)
        for channel in range(codes.shape[1]):
            step, lowest = alphabet.steps[channel], alphabet.lowest[channel]
            highest = lowest + len(alphabet.tables[channel]) - 1
            exact = codes[:, channel].double().numpy() / step
            levels = (np.sign(exact) * np.floor(np.abs(exact) + 0.5)).clip(lowest, highest)
            values = (levels + np.sign(levels) * alphabet.shifts[channel]) * step
            rounded[:, channel] = torch.from_numpy(values.astype(np.float32))
        assert torch.equal(decoded, model.decode(rounded))


def test_a_stream_is_as_long_as_its_tables_promise(model: Model, photographs: Tensor) -> None:
    packer = packer_of(model, photographs, 3, 6)
    for setting, alphabet in enumerate(packer.alphabets):
        levels = alphabet.levels(by_component(model.encode(photographs[:20])))
        for picture, stream in enumerate(packer.pack(photographs[:20], setting)):
            bits = -sum(
                log2(table[level])
                for table, row in zip(alphabet.tables, levels[:, picture], strict=True)
                for level in row
            )
            # A stream ends at a whole byte, and may need one more to name a number in its interval.
            assert bits / 8 <= len(stream) <= bits / 8 + 2
        assert packer.header(setting) == 0


def test_each_picture_is_packed_for_itself(model: Model, photographs: Tensor) -> None:
    packer = packer_of(model, photographs, 4)
    together = packer.pack(photographs[:6], 0)
    assert packer.unpack(together[2:3], 0).shape == (1, 3, 32, 32)
    # Alone and in a batch, a decoder may add in another order.
    alone = torch.cat([packer.unpack([stream], 0) for stream in together])
    assert torch.allclose(alone, packer.unpack(together, 0), rtol=0, atol=3072 * EPS)


def test_an_alphabet_with_fewer_components_cuts_the_code_short() -> None:
    pixels = datasets.load("sample").train.pixels[:300, :, ::4, ::4]
    given = to_float(pixels)
    coder = Components(fit_pca(pixels).keep(192))
    numbers = by_component(coder.encode(given))
    alphabets = tuple(Alphabet.fit(numbers[:size], np.ones(size), 12) for size in (8, 48))
    packer = QuantisedCodes(coder, (192,), alphabets, ("8", "48"))
    for setting, size in enumerate((8, 48)):
        decoded = packer.unpack(packer.pack(given[:10], setting), setting)
        projected = coder.decode(coder.encode(given[:10])[:, :size])
        # The axes are orthonormal: every number is off by half a step at most, or by the range's end.
        step = float(alphabets[setting].steps.max())
        assert float((decoded - projected).square().sum((1, 2, 3)).max()) <= size * step**2
    assert packer.name == "pca"


def test_a_codec_is_one_file_per_picture(photographs: Tensor) -> None:
    packer = Files("webp", (10, 90))
    assert (packer.name, packer.settings) == ("webp", ("quality 10", "quality 90"))
    for setting, quality in enumerate((10, 90)):
        codec = codecs.find(f"webp-{quality}")
        streams = packer.pack(photographs[:3], setting)
        assert [len(stream) for stream in streams] == codec.file_sizes(photographs[:3]).tolist()
        assert torch.equal(packer.unpack(streams, setting), codec(photographs[:3]))
        assert packer.header(setting) == codec.header
        assert all(len(stream) >= packer.header(setting) for stream in streams)


def test_a_quality_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(CodecError, match="JPEG has qualities from 1 to 100, not 0"):
        Files("jpeg", (0, 50))
