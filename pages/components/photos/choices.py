"""What Photos offers to choose."""

from __future__ import annotations

from aecore.data import catalog
from aecore.models.architecture import CIFAR_SHAPE
from pages.components import links

PAGE = links.Page("photos", "p-")
SHAPE = CIFAR_SHAPE  # of the pictures that classical methods are fitted and tuned on, and most models were made for
DEFAULT = ("dense", "deep-strided-4-bn", "denoise-unet", "blur")
LEVEL = 0.1  # of the noise at first
VIEWS = ("Side by side", "Difference", "Wipe", "Blink")


def dataset() -> str:
    """The data set on whose pictures classical methods are fitted and tuned."""
    name = catalog.here("cifar10")
    assert name, "an excerpt of it comes with the package"
    return name
