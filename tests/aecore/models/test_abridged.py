"""Architectures in one line: what is folded, and what stays as it is written."""

import pytest

from aecore.models import zoo
from aecore.models.abridged import abridged
from aecore.models.architecture import Architecture


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("conv32 | pool | up | conv3:k1:sigmoid", "conv32 | pool | up | conv3:k1:sigmoid"),
        ("skip | conv8 | conv3:linear | add", "residual 8·3"),
        ("conv8 | skip | conv8:gelu | add | conv3:k1:sigmoid", "conv8 | residual 8 | conv3"),
        (
            "skip | conv8 | conv3:linear | add | skip | conv8 | conv3:linear | add | pool | skip | conv8 | conv3 | add "
            "| skip | conv9 | conv3 | add | up",
            "2 residual 8·3 | pool | residual | residual 9·3 | up",
        ),
        ("skip | conv8:k2:s2 | skip | conv8 | add | deconv3:k2 | add", "U-Net 8"),
    ],
)
def test_blocks_are_folded(text: str, short: str) -> None:
    assert abridged(Architecture.parse(text)) == short


def test_the_same_u_net_is_not_described_twice() -> None:
    assert abridged(zoo.SYSTEMS["compress-64"].architecture) == "U-Net 48·96·128 | dense64 | dense3072 | U-Net"


@pytest.mark.parametrize("name", zoo.SYSTEMS)
def test_no_system_takes_more_than_three_lines_of_a_card(name: str) -> None:
    assert len(abridged(zoo.SYSTEMS[name].architecture)) < 170
