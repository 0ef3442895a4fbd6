"""Two denoisers' curves, as they could be published."""

from aecore.studies.denoising import Curves, Point

CURVES = Curves(
    "cifar10",
    "f" * 64,
    (
        Point("blur", 0.1, 9, 24.81, 0.1, 24.0, 0.8, 24.9, 0.8, {"wiener": (-2.4, -2.5, -2.3)}),
        Point("wiener", 0.3, 9, 22.1, 0.1, 21.0, 0.7, 22.0, 0.7, {}),
        Point("wiener", 0.1, 9, 27.2, 0.1, 26.0, 0.9, 27.3, 0.9, {}),
        Point("blur", 0.0, 9, None, None, None, 1.0, None, 1.0, {}),
    ),
)
