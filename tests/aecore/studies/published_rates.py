"""Where the published curves lie, and two small ones that could be published."""

from pathlib import Path

from aecore.studies.rates import Curve, Lead, Point, Rates

PUBLISHED = Path(__file__).parents[3] / "checkpoints"
POINTS = (
    Point(2, 1.5, 8, 16.5, 0.25, over_plain=Lead(0.0625, 0.03125)),
    Point(75, None, 8, 30, 0.125, 900, Lead(0.5, 0.25)),
)
SMALL = Rates("cifar10", "f", "How.", (Curve("dense", "autoencoder", POINTS, 0.1, 1), Curve("pca", "pca", POINTS)))
