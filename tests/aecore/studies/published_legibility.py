"""A published file of readings, made up and small."""

from aecore.data import datasets
from aecore.studies.legibility import Legibility, Reading

CLASSES = ("cat", "dog", "ship")
ORIGINALS = Reading("identity", 0.9, 0.0, 0.0, 0.0, ((8, 2, 0), (1, 9, 0), (0, 0, 10)), probe=0.4)
BLURRED = Reading("dense", 0.5, 0.4, 0.222, 0.578, ((2, 8, 0), (0, 9, 1), (3, 3, 4)), probe=0.35)
DENOISED = Reading("denoise-030", 0.867, 0.033, -0.05, 0.1, ((7, 3, 0), (1, 9, 0), (0, 0, 10)), "gaussian:0.3", 0.45)
SMALL = Legibility(
    "cifar10",
    datasets.load("cifar10").fingerprint,
    CLASSES,
    "c" * 64,
    1000,
    2000,
    30,
    (ORIGINALS, BLURRED, DENOISED),
)
