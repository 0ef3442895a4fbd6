"""Noise: its statistics are those of the textbook, and a picture's draw depends on nothing but (seed, picture)."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Generator, Tensor

from aecore.data import noise as module
from aecore.data.noise import KINDS, Noise, NoiseError, key, noisy, picture_seed
from aecore.reconstructors import denoisers
from aecore.studies import sensitivity
from aecore.training import initialisation, loop
from tests.aecore.recordable import waiting
from tests.aecore.rounding import EPS
from tests.aecore.training import little

GREY = 0.4  # not the middle, where salt would be as far away as pepper
noises = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.builds(Noise, st.just(kind), st.just(0.0) | st.floats(KINDS[kind].lowest, KINDS[kind].highest))
)
ranges = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: (
        st.tuples(*[st.floats(KINDS[kind].lowest, KINDS[kind].highest)] * 2)
        .filter(lambda levels: levels[0] != levels[1])
        .flatmap(
            lambda levels: st.builds(
                Noise,
                st.just(kind),
                st.just(max(levels)),
                st.just(min(levels)),
                st.booleans() if min(levels) else st.just(False),
            )
        )
    )
)

MOMENTS: dict[str, Callable[[float], tuple[float, float]]] = {
    "gaussian": lambda level: (GREY, level),
    "uniform": lambda level: (GREY, level / 3**0.5),
    "speckle": lambda level: (GREY, level * GREY),
    "poisson": lambda level: (GREY, level * GREY**0.5),
    "masking": lambda level: (GREY * (1 - level), GREY * (level * (1 - level)) ** 0.5),
    # A square of whole pixels.
    "occlusion": lambda level: (
        GREY * (1 - (share := round(64 * level**0.5) ** 2 / 64**2)),
        GREY * (share * (1 - share)) ** 0.5,
    ),
    "salt-pepper": lambda level: (
        mean := GREY * (1 - level) + level / 2,
        ((1 - level) * GREY**2 + level / 2 - mean**2) ** 0.5,
    ),
}


def corrupted(kind: str, level: float, seed: int = 0) -> Tensor:
    return Noise(kind, level).add(torch.full((64, 3, 64, 64), GREY), Generator().manual_seed(seed))


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_deviation_follow_the_closed_form(kind: str, level: float) -> None:
    drawn = corrupted(kind, level).double()
    mean, deviation = MOMENTS[kind](level)
    assert drawn.mean().item() == pytest.approx(mean, abs=5 * deviation / (64 * 64 * 64) ** 0.5)
    assert drawn.std().item() == pytest.approx(deviation, rel=0.01)


@pytest.mark.parametrize("kind", ["gaussian", "uniform", "speckle"])
def test_noise_is_not_clipped(kind: str) -> None:
    drawn = corrupted(kind, 2.0)
    assert drawn.min() < 0
    assert drawn.max() > 1


def test_uniform_noise_stays_within_its_half_width() -> None:
    assert (corrupted("uniform", 0.25) - GREY).abs().max().item() == pytest.approx(0.25, abs=1e-3)


@pytest.mark.parametrize(("kind", "values"), [("salt-pepper", {0.0, 1.0}), ("masking", {0.0})])
def test_a_dead_pixel_is_dead_in_every_channel_and_the_others_are_untouched(kind: str, values: set[float]) -> None:
    drawn = corrupted(kind, 0.3)
    assert torch.equal(drawn, drawn[:, :1].expand_as(drawn))
    assert drawn.unique().tolist() == pytest.approx(sorted({*values, GREY}))
    for value in values:
        assert (drawn == value).double().mean().item() == pytest.approx(0.3 / len(values), abs=0.005)


@pytest.mark.parametrize("level", [0.1, 0.5, 1.0])
def test_an_occlusion_is_one_black_square_that_lies_anywhere(level: float) -> None:
    black = (corrupted("occlusion", level) == 0).all(dim=1)  # [N, H, W]
    side = round(64 * level**0.5)
    rows, columns = black.any(dim=2), black.any(dim=1)
    assert black.sum(dim=(1, 2)).tolist() == [side**2] * 64
    assert rows.sum(dim=1).tolist() == columns.sum(dim=1).tolist() == [side] * 64
    corners = set(zip(rows.byte().argmax(1).tolist(), columns.byte().argmax(1).tolist(), strict=True))
    assert len(corners) > 50 if side < 64 else corners == {(0, 0)}


@pytest.mark.parametrize("kind", KINDS)
def test_of_a_range_of_levels_every_picture_gets_one_at_even_odds(kind: str) -> None:
    low, high = 0.2, 0.6
    pictures = torch.full((400, 3, 16, 16), GREY)
    drawn = Noise(kind, high, low).add(pictures, Generator().manual_seed(0)).double()
    deviations = (drawn - GREY).flatten(1).square().mean(1).sqrt()  # of each picture
    middles = [
        (sum(((MOMENTS[kind](level)[0] - GREY) ** 2 + MOMENTS[kind](level)[1] ** 2) ** 0.5 for level in levels) / 50)
        for levels in ([low + (high - low) * (step + 0.5) / 100 + half for step in range(50)] for half in (0, 0.2))
    ]
    # Kinds whose draws differ by a few pixels scatter around it.
    lower, upper = deviations.sort().values[:200].mean(), deviations.sort().values[200:].mean()
    assert [float(lower), float(upper)] == pytest.approx(middles, rel=0.1)


def deviations(noise: Noise, count: int = 2000) -> Tensor:
    """The standard deviation of the noise of each of `count` grey pictures."""
    pictures = torch.full((count, 3, 16, 16), GREY)
    return (noise.add(pictures, Generator().manual_seed(0)) - pictures).double().flatten(1).std(1)


def test_the_logarithm_of_a_logarithmic_level_is_uniform() -> None:
    low, high = 0.03, 1.0
    drawn = (deviations(Noise("gaussian", high, low, logarithmic=True)) / low).log() / math.log(high / low)
    # The estimate of a deviation from 768 numbers is off by 1/√(2·768) of it: 0.7% of the range of its logarithm.
    assert stats.kstest(drawn.clamp(0, 1).numpy(), "uniform").pvalue > 0.01
    even = (deviations(Noise("gaussian", high, low)) - low) / (high - low)
    assert stats.kstest(even.clamp(0, 1).numpy(), "uniform").pvalue > 0.01


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["NCHW", "NHWC"])
@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gets_what_its_pictures_get_one_by_one(
    kind: str, logarithmic: bool, layout: torch.memory_format
) -> None:
    """Published denoisers were trained with draws for one picture after the other."""
    low, high = 0.1, 0.9
    pictures = torch.rand(40, 3, 8, 8, generator=Generator().manual_seed(1)).contiguous(memory_format=layout)
    noise, one_by_one = Noise(kind, high, low, logarithmic), Generator().manual_seed(0)
    shares = torch.rand(40, generator=one_by_one)
    levels = (math.log(low) + math.log(high / low) * shares).exp() if logarithmic else low + (high - low) * shares
    rows = [Noise(kind, level).add(pictures[row : row + 1], one_by_one) for row, level in enumerate(levels.tolist())]
    drawn = noise.add(pictures, Generator().manual_seed(0))
    if kind == "poisson":  # 1/level² is rounded to float32, and the product of it once more
        torch.testing.assert_close(drawn, torch.cat(rows), rtol=4 * EPS, atol=0)
    else:
        assert torch.equal(drawn, torch.cat(rows))


@pytest.mark.parametrize(
    "offender",
    [
        lambda levels: levels.tolist(),
        lambda levels: levels.sum().item(),
        lambda levels: 1 if levels.sum() > 0 else 0,
        lambda levels: levels[levels > 0],
        lambda levels: levels * levels.new_tensor([1.0, 2.0]),
    ],
    ids=["numbers read", "a number read", "a decision", "rows by a mask", "numbers brought"],
)
def test_what_makes_a_gpu_wait_is_noticed(offender: Callable[[Tensor], object]) -> None:
    assert waiting(lambda: offender(torch.rand(2))) != set()


@pytest.mark.parametrize("noise", [Noise(kind, 0.9, 0.1, log) for kind in KINDS for log in (False, True)], ids=str)
def test_the_draws_of_a_range_can_be_recorded_as_a_graph(noise: Noise) -> None:
    pictures, generator = torch.rand(4, 3, 8, 8), Generator()
    assert waiting(lambda: noise.add(pictures, generator)) == set()


def test_a_range_at_its_ends_is_a_level() -> None:
    pictures = torch.rand(3, 3, 8, 8, generator=Generator().manual_seed(0))
    narrow = noisy(pictures, Noise("gaussian", 0.3 + 1e-9, 0.3), 0, range(3)) - pictures
    assert float(narrow.std()) == pytest.approx(0.3, rel=0.1)
    assert str(Noise("gaussian", 1, 0)) == "gaussian:0..1"
    assert str(Noise("gaussian", 1, 0.03, logarithmic=True)) == "gaussian:0.03..1:log"


@given(noises | ranges)
def test_the_text_form_reads_back_as_the_same_noise(noise: Noise) -> None:
    assert Noise.parse(str(noise)) == noise


@pytest.mark.parametrize("kind", KINDS)
class TestDraws:
    PICTURES = torch.rand(6, 3, 8, 8, generator=Generator().manual_seed(0))

    def test_a_picture_gets_the_same_draw_whatever_its_batch(self, kind: str) -> None:
        noise, order = Noise(kind, 0.5), [3, 0, 5, 1, 4, 2]
        whole = noisy(self.PICTURES, noise, 7, range(10, 16))
        assert torch.equal(noisy(self.PICTURES[2:3], noise, 7, [12]), whole[2:3])
        assert torch.equal(noisy(self.PICTURES[order], noise, 7, [10 + index for index in order]), whole[order])

    def test_the_seed_of_a_picture_is_all_that_its_generator_takes_of_the_key(self, kind: str) -> None:
        noise = Noise(kind, 0.5)
        whole_key = Generator().manual_seed(key("noise of picture", 7, 12))
        from_seed = Generator().manual_seed(picture_seed(7, 12))
        expected = noise.add(self.PICTURES[2:3], whole_key)
        assert 0 <= picture_seed(7, 12) < 2**32 < key("noise of picture", 7, 12)
        assert torch.equal(noise.add(self.PICTURES[2:3], from_seed), expected)
        assert torch.equal(noisy(self.PICTURES[2:3], noise, 7, [12]), expected)

    def test_other_pictures_and_other_seeds_get_other_draws(self, kind: str) -> None:
        same = self.PICTURES[:1].expand(2, -1, -1, -1)
        first, second = noisy(same, Noise(kind, 0.5), 7, [0, 1])
        assert not torch.equal(first, second)
        assert not torch.equal(first, noisy(same[:1], Noise(kind, 0.5), 8, [0])[0])

    def test_the_clean_pictures_stay_clean(self, kind: str) -> None:
        clean = self.PICTURES.clone()
        noisy(clean, Noise(kind, 0.5), 0, range(6))
        Noise(kind, 0.5).add(clean, Generator().manual_seed(0))
        assert torch.equal(clean, self.PICTURES)

    def test_level_0_changes_nothing(self, kind: str) -> None:
        assert torch.equal(Noise(kind, 0).add(self.PICTURES, Generator()), self.PICTURES)
        assert torch.equal(noisy(self.PICTURES, Noise(kind, 0), 0, range(6)), self.PICTURES)

    def test_the_smallest_levels_draw_finite_values(self, kind: str) -> None:
        for level in (KINDS[kind].lowest,) if KINDS[kind].lowest else (1e-6, 1e-200):
            assert Noise(kind, level).add(self.PICTURES, Generator()).isfinite().all()


def test_the_draw_comes_from_the_mersenne_twister() -> None:
    words = np.frombuffer(np.random.RandomState(picture_seed(7, 12)).bytes(4 * 192), dtype="<u4")
    expected = (words & 0xFFFFFF) * 2.0**-23 - 1
    drawn = noisy(torch.zeros(1, 3, 8, 8), Noise("uniform", 1.0), 7, [12])
    assert drawn.flatten().tolist() == expected.tolist()


def test_no_two_purposes_share_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, order, noise and validation of training, tuning, the draws of one picture, and the noise of pictures."""
    asked, gaussian = dict[int, set[tuple[object, ...]]](), Noise("gaussian", 0.3)
    for user in (module, loop, initialisation, denoisers, sensitivity):

        def recorded(*parts: object, name: str = user.__name__) -> int:
            asked.setdefault(key(*parts), set()).add((name, *parts))
            return key(*parts)

        monkeypatch.setattr(user, "key", recorded)
    pictures = little.dataset()
    for seed in (0, 1):
        little.trained(little.spec_of(seed=seed, noise=gaussian, epochs=4))
        noisy(torch.zeros(20, 3, 8, 8), gaussian, seed, range(20))
        sensitivity.spread(lambda given: given, pictures.test.pixels[0], gaussian, 20, seed)
    denoisers.Task(pictures, gaussian, tmp_path).examples(10)
    assert len({name for users in asked.values() for name, *_ in users}) == 5
    assert [users for users in asked.values() if len(users) > 1] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gausian:0.3", "did you mean gaussian"),
        ("fog:0.3", "Kinds: gaussian, uniform, speckle, salt-pepper, poisson, masking, occlusion"),
        ("gaussian", "for example gaussian:0.3"),
        ("", "for example gaussian:0.3"),
        ("gaussian:loud", "for example gaussian:0.3"),
        ("gaussian:-0.1", "from 0 to 2, not -0.1"),
        ("gaussian:2.1", "from 0 to 2, not 2.1"),
        ("poisson:1e-200", "must be 0 or from 0.001 to 1, not 1e-200"),
        ("masking:1.5", "share of pixels) must be from 0 to 1"),
        ("gaussian:nan", "from 0 to 2, not nan"),
        ("gaussian:inf", "from 0 to 2, not inf"),
        ("gaussian:0..", "kind:low..high"),
        ("gaussian:..1", "kind:low..high"),
        ("gaussian:1..0.5", "must rise, from at least 0, as in gaussian:0..2; not 1..0.5"),
        ("gaussian:0..0", "must rise"),
        ("gaussian:-1..1", "from 0 to 2, not -1"),
        ("poisson:0..1", "from at least 0.001"),
        ("gaussian:0..1:log", "need a range that begins above 0, as in gaussian:0.1..2:log; not gaussian:0..1:log"),
        ("gaussian:0.3:log", "need a range that begins above 0"),
        ("gaussian:0.1..1:lin", "or kind:low..high:log"),
        ("gaussian:0.1..1:", "or kind:low..high:log"),
    ],
)
def test_a_bad_noise_is_told_what_is_legal(text: str, message: str) -> None:
    with pytest.raises(NoiseError) as caught:
        Noise.parse(text)
    assert message in str(caught.value)
