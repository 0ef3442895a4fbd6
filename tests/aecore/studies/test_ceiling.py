"""The least possible error: what is known of it, and how near a denoiser comes."""

from dataclasses import replace
from math import log
from pathlib import Path

import pytest

from aecore.studies import ceiling, denoising
from aecore.studies.denoising import Curves, Point

ROOT = Path(__file__).parents[3]


def point(name: str, level: float, pooled: float | None, pictures: int = 10_000) -> Point:
    return Point(name, level, pictures, pooled, 0.1, pooled, 0.8, pooled, 0.8, {})


CURVES = Curves(
    "cifar10",
    "f" * 64,
    (
        *(point("wiener", level, value) for level, value in {0.1: 27.36, 0.3: 21.63, 0.5: 20.24, 0.4: 21.0}.items()),
        point("wiener", 0.01, 41.0),
        point("good", 0.1, 28.36),
        point("good", 0.3, 21.13),
        point("good", 0.4, 22.0),
        point("slow", 0.1, 29.0, 200),
        point("exact", 0.1, None),
    ),
)


def test_the_share_is_the_part_of_the_way_from_the_wiener_filter_to_the_ceiling() -> None:
    assert ceiling.shares(CURVES, "good") == pytest.approx({0.1: 0.5, 0.3: -0.25})  # at 0.4 no ceiling is known
    assert ceiling.shares(CURVES, "wiener") == pytest.approx({0.1: 0, 0.3: 0, 0.5: 0})
    assert [ceiling.share_text(share) for share in (0.426, -0.25, None)] == ["43%", "−25%", "–"]


def test_there_is_no_share_where_the_ceiling_cannot_be_compared() -> None:
    assert ceiling.shares(CURVES, "slow") == {}, "other pictures than the Wiener filter's"
    assert ceiling.shares(CURVES, "exact") == {}
    elsewhere = replace(CURVES, dataset="mnist")
    assert ceiling.shares(elsewhere, "good") == ceiling.line(elsewhere) == {}
    without = replace(CURVES, points=tuple(one for one in CURVES.points if one.name != "wiener"))
    assert ceiling.shares(without, "good") == ceiling.line(without) == {}


def test_the_line_is_interpolated_between_known_levels_alone() -> None:
    drawn = ceiling.line(CURVES)
    assert list(drawn) == [0.1, 0.3, 0.4, 0.5]  # and not 0.01, which is below all that are known
    assert drawn[0.3] == ceiling.LEAST[0.3]
    # From 2 dB above the filter at 0.3 to 1 dB above it at 0.5.
    assert drawn[0.4] == pytest.approx(21.0 + 2 - log(4 / 3) / log(5 / 3))


def test_the_published_points_lie_between_the_filter_and_the_ceiling_where_the_filter_is_beaten() -> None:
    curves = denoising.curves("cifar10", ROOT / "checkpoints")
    shares = ceiling.shares(curves, "denoise-unet")
    assert list(shares) == pytest.approx(sorted(ceiling.LEAST), abs=1e-6)
    assert all(0 < share < 1 for share in shares.values())
    for name in curves.names:
        assert all(share < 1 for share in ceiling.shares(curves, name).values())
    # The curve of the best linear filter that the source publishes is ours, so its ceiling is that of our pictures.
    linear = dict(zip(ceiling.LEAST, (30.01, 27.15, 27.05, 23.73, 21.90, 19.93, 17.65), strict=True))
    for level, value in linear.items():
        measured = curves.at(ceiling.LINEAR, level)
        assert measured
        assert measured.psnr_pooled == pytest.approx(value, abs=0.02)
