"""Where the published curves lie, and two small ones that could be published."""

from pathlib import Path

from aecore.studies.rates import Curve, Point, Rates

PUBLISHED = Path(__file__).parents[3] / "checkpoints"
POINTS = (Point(2, 8, 16.5, 0.25, plain_bits=24), Point(75, 8, 30, 0.125, file_bits=900))
SMALL = Rates("cifar10", "f", "How.", (Curve("dense", "autoencoder", POINTS, 0.1), Curve("pca", "pca", POINTS)))
