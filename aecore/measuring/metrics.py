"""Metrics between a reconstruction and its target: one number per picture.

Pictures are float32 `[N, C, H, W]` in `[0, 1]`; reconstructions are clamped to `[0, 1]` before anything is measured.
Most metrics compare a reconstruction with the clean picture, some with the number of its class.
To add a metric: write its function here and add it to `METRICS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from aecore import AecoreError, did_you_mean
from aecore.measuring import classifiers
from aecore.measuring.classifiers import ClassifierError
from aecore.models.layers import Shape, shape_text

BASIC = ("mse", "psnr", "ssim")  # the metrics of every run's scores, and fast enough for a slider
SSIM_WINDOW = 11
_SSIM_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2  # keep quotients finite in flat areas
VSI_BATCH = 20  # pictures per batch in VSI, which enlarges them to 256×256: 500 would take gigabytes


class ScoreError(AecoreError):
    """A metric is not defined for these pictures, cannot be computed here, or does not exist."""


def _piq() -> Any:
    # piq imports torchvision, which takes seconds and 200 MB: neither training nor the basic metrics wait for it.
    import piq

    return piq


def mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error over all values of each picture, `[N]`."""
    return (output.clamp(0, 1) - target).square().flatten(1).mean(1)


def psnr(error: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB for a mean squared error, with peak 1: `-10 log10(MSE)`."""
    return -10 * torch.log10(error)


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each picture, `[N]`, at most 1 (Wang, Bovik, Sheikh & Simoncelli 2004).

    11×11 Gaussian window of σ 1.5, data range 1, per channel and averaged, valid area only. Raises `ScoreError` for
    pictures smaller than the window.
    """
    # The layout in which depthwise convolutions are fastest.
    one, other = (images.contiguous(memory_format=torch.channels_last) for images in _pair("ssim", output, target))
    channels = one.shape[1]
    window = _window(one.dtype, one.device).repeat(channels, 1, 1, 1)

    def local_mean(values: Tensor) -> Tensor:
        return F.conv2d(values, window, groups=channels)

    # The order of the operations is piq's, so that published scores stay the same to the last bit.
    mean_one, mean_other = local_mean(one), local_mean(other)
    squares, product = (mean_one**2, mean_other**2), mean_one * mean_other
    variances = [local_mean(images**2) - square for images, square in zip((one, other), squares, strict=True)]
    covariance = local_mean(one * other) - product
    structure = (2.0 * covariance + _C2) / (variances[0] + variances[1] + _C2)
    similarity = (2.0 * product + _C1) / (squares[0] + squares[1] + _C1) * structure
    return similarity.mean((-1, -2)).mean(1)


def _window(dtype: torch.dtype, device: torch.device) -> Tensor:
    """The Gaussian window of SSIM, `[1, 11, 11]`, with sum 1."""
    places = torch.arange(SSIM_WINDOW, dtype=dtype, device=device) - (SSIM_WINDOW - 1) / 2
    squares = places**2
    window = (-(squares[None] + squares[:, None]) / (2 * _SSIM_SIGMA**2)).exp()
    return (window / window.sum())[None]


def gmsd(output: Tensor, target: Tensor) -> Tensor:
    """Gradient magnitude similarity deviation of each picture, `[N]`, 0 if identical (Xue, Zhang, Mou & Bovik 2014).

    Measured on the luminance, first averaged over 2×2 pixels as published for pictures of every size: a picture of
    32×32 pixels is seen at 16×16.
    """
    values: Tensor = _piq().gmsd(*_pair("gmsd", output, target), reduction="none")
    return values


def ms_gmsd(output: Tensor, target: Tensor) -> Tensor:
    """GMSD on four scales of each picture, `[N]`, 0 if identical (Zhang, Sander & Bermak 2017).

    Measured on the luminance only, piq's default: the paper's variant with colour is undefined for grey pictures. The
    scales are the picture's own size, a half, a quarter and an eighth: at 32×32 the last is 4×4. Raises `ScoreError`
    for pictures smaller than 17×17.
    """
    values: Tensor = _piq().multi_scale_gmsd(*_pair("ms-gmsd", output, target), reduction="none")
    return values


def haarpsi(output: Tensor, target: Tensor) -> Tensor:
    """Haar wavelet perceptual similarity of each picture, `[N]`, 1 if identical (Reisenhofer, Bosse, Kutyniok &
    Wiegand 2018).

    The picture is first averaged over 2×2 pixels, as published for pictures of every size. Raises `ScoreError` for
    pictures smaller than 16×16.
    """
    values: Tensor = _piq().haarpsi(*_pair("haarpsi", output, target), reduction="none")
    return values.clamp(max=1)  # for two black pictures piq gives infinity


def fsim(output: Tensor, target: Tensor) -> Tensor:
    """Feature similarity of each picture, `[N]`, 1 if identical (Zhang, Zhang, Mou & Zhang 2011).

    Colour pictures are compared with colour (FSIMc). Large pictures are first averaged over blocks of a 256th of
    their side; small ones are seen at full resolution. The wavelets have their published lengths of 6, 12, 24 and 48
    pixels; the last is longer than a small picture and sees only its coarsest structure.
    """
    pair = _pair("fsim", output, target)
    values: Tensor = _piq().fsim(*pair, reduction="none", chromatic=target.shape[1] == 3)
    return values


def mdsi(output: Tensor, target: Tensor) -> Tensor:
    """Mean deviation similarity index of each picture, `[N]`, 0 if identical (Nafchi, Shahkolaei, Hedjam &
    Cheriet 2016).

    Gradients and colours are summed, the default of the paper and of piq. As in FSIM, only large pictures are
    averaged first. Raises `ScoreError` for pictures without colour: the metric is not defined for them.
    """
    values: Tensor = _piq().mdsi(*_pair("mdsi", output, target), reduction="none")
    return values


def vsi(output: Tensor, target: Tensor) -> Tensor:
    """Visual saliency index of each picture, `[N]`, 1 if identical (Zhang, Shen & Li 2014).

    Saliency is computed on the picture enlarged to 256×256, as published; edges and colours are compared at its own
    size. As in FSIM, only large pictures are averaged first. The slowest metric. Raises `ScoreError` for pictures
    without colour: the metric is not defined for them.
    """
    batches = zip(*(torch.split(images, VSI_BATCH) for images in _pair("vsi", output, target)), strict=True)
    return torch.cat([_piq().vsi(*batch, reduction="none") for batch in batches])


def dss(output: Tensor, target: Tensor) -> Tensor:
    """Similarity of the subbands of each picture's cosine transform, `[N]`, 1 if identical (Balanov, Schwartz, Moshe &
    Peleg 2015).

    Measured on the luminance in blocks of 8×8 pixels. Only the worst twentieth of the blocks counts: at 32×32 that is
    one of 16. Negative values are set to 0, as in piq's loss. Raises `ScoreError` for pictures smaller than 32×32: a
    twentieth of the nine blocks in 28×28 pixels is none.
    """
    values: Tensor = _piq().dss(*_pair("dss", output, target), reduction="none")
    return values.clamp(0, 1)


def lpips(output: Tensor, target: Tensor) -> Tensor:
    """Learned perceptual similarity of each picture, `[N]`, 0 if identical (Zhang, Isola, Efros, Shechtman & Wang
    2018).

    Computed by VGG-16 at the picture's own size, so that its last layer has 2×2 pixels at 32×32. Raises `ScoreError`
    for pictures that are smaller or without colour, and if the weights are not in torch's cache: nothing is
    downloaded.
    """
    pair = _pair("lpips", output, target)  # checks first: piq would download missing weights
    values: Tensor = _network("LPIPS", torch.hub.get_dir())(*pair)
    return values


def dists(output: Tensor, target: Tensor) -> Tensor:
    """Deep structure and texture dissimilarity of each picture, `[N]`, 0 if identical (Ding, Ma, Wang & Simoncelli
    2020).

    Computed by VGG-16, as `lpips`, and raises the same errors.
    """
    pair = _pair("dists", output, target)  # checks first: piq would download missing weights
    values: Tensor = _network("DISTS", torch.hub.get_dir())(*pair)
    return values


def legible(output: Tensor, labels: Tensor) -> Tensor:
    """1 for each picture from which a classifier reads the right one of `labels` `[N]`, 0 for the others, `[N]`.

    The classifier is that of the data set with pictures of this shape. Raises `ScoreError` if there is none, or its
    file is missing or damaged.
    """
    METRICS["legible"].require(output.shape[1:])
    classifier = classifiers.load(classifiers.design_for(output.shape[1:]))
    return (classifier(output.float()) == labels).to(output.dtype)


@lru_cache(maxsize=2)
def _network(name: str, hub: str) -> Any:
    """One of piq's networks. `hub` is torch's folder of weights: part of the cache key, as another may hold others."""
    return getattr(_piq(), name)(reduction="none")


def _pair(name: str, output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The clamped output and its target; raises `ScoreError` if the metric `name` is not defined for them."""
    METRICS[name].require(target.shape[1:])
    return output.clamp(0, 1), target


@dataclass(frozen=True)
class Metric:
    """A metric: how to compute it from (output, target), what it means, and which pictures it is defined for.

    The target is the clean picture, or for a metric `against` the class its class number. `range` is its lowest and
    highest value, `sees` one sentence on what it measures, `source` its publication. It is defined for pictures of at
    least `smallest` pixels per side whose number of channels is in `channels` (empty: any number). The files `weights`
    must be in torch's cache.
    """

    title: str
    unit: str
    higher_is_better: bool
    range: tuple[float, float]
    source: str
    sees: str
    compute: Callable[[Tensor, Tensor], Tensor]
    smallest: int = 1
    channels: tuple[int, ...] = ()
    weights: tuple[str, ...] = ()
    against: Literal["picture", "class"] = "picture"

    @property
    def meaning(self) -> str:
        """What it measures, its range, which direction is better, and its source, in two sentences."""
        low, high = (f"{bound:g}{self.unit and f' {self.unit}'}".replace("-", "−") for bound in self.range)
        span = f"From {low} to {high}" if isfinite(self.range[1]) else f"From {low} up"
        return f"{self.sees} {span}, {'higher' if self.higher_is_better else 'lower'} is better ({self.source})."

    def require(self, shape: Shape, classes: tuple[str, ...] | None = None) -> None:
        """Raise `ScoreError` if it cannot be computed: for pictures of this `shape`, or without its weights.

        A metric against the class is defined only for the `classes` that its classifier knows. Whoever measures
        pictures of a data set gives their names; without them only the shape is checked.
        """
        if self.against == "class":
            try:
                classifiers.load(classifiers.design_for(shape, classes))
            except ClassifierError as error:
                raise ScoreError(str(error)) from None
        if self.channels and shape[0] not in self.channels:
            legal = " or ".join(map(str, self.channels))
            raise ScoreError(f"{self.title} needs pictures of {legal} channels, got {shape_text(shape)}.")
        if min(shape[1:]) < self.smallest:
            raise ScoreError(
                f"{self.title} needs pictures of at least {self.smallest}×{self.smallest} pixels, "
                f"got {shape_text(shape)}."
            )
        cache = Path(torch.hub.get_dir()) / "checkpoints"
        if missing := [name for name in self.weights if not (cache / name).is_file()]:
            raise ScoreError(
                f"{self.title} needs {' and '.join(missing)} in {cache}: "
                f"`python -c 'import piq; piq.{self.title}()'` downloads the half gigabyte once."
            )


COLOUR, LUMINANCE = (3,), (1, 3)
VGG16 = "vgg16-397923af.pth"
METRICS: dict[str, Metric] = {
    "mse": Metric(
        "MSE",
        "",
        False,
        (0, 1),
        "Wang & Bovik 2009",
        "Mean squared error over all values of the picture, where white is 1.",
        mse,
    ),
    "psnr": Metric(
        "PSNR",
        "dB",
        True,
        (0, inf),
        "Wang & Bovik 2009",
        "Peak signal-to-noise ratio: 3 dB more is half the squared error.",
        lambda output, target: psnr(mse(output, target)),
    ),
    "ssim": Metric(
        "SSIM",
        "",
        True,
        (-1, 1),
        "Wang, Bovik, Sheikh & Simoncelli 2004",
        "Structural similarity: how similar small neighbourhoods are in brightness, contrast and pattern.",
        ssim,
        smallest=SSIM_WINDOW,
    ),
    "gmsd": Metric(
        "GMSD",
        "",
        False,
        (0, 0.5),
        "Xue, Zhang, Mou & Bovik 2014",
        "Gradient magnitude similarity deviation: how unevenly the damage to edges is spread over the picture.",
        gmsd,
        channels=LUMINANCE,
    ),
    "ms-gmsd": Metric(
        "MS-GMSD",
        "",
        False,
        (0, 0.5),
        "Zhang, Sander & Bermak 2017",
        "GMSD on four scales: how unevenly the damage to fine and coarse edges is spread over the picture.",
        ms_gmsd,
        smallest=17,
        channels=LUMINANCE,
    ),
    "haarpsi": Metric(
        "HaarPSI",
        "",
        True,
        (0, 1),
        "Reisenhofer, Bosse, Kutyniok & Wiegand 2018",
        "Haar wavelet similarity: how similar fine edges and colours are, above all where coarse edges stand out.",
        haarpsi,
        smallest=16,
        channels=LUMINANCE,
    ),
    "fsim": Metric(
        "FSIM",
        "",
        True,
        (0, 1),
        "Zhang, Zhang, Mou & Zhang 2011",
        "Feature similarity: how similar edges, lines and colours are, above all where they are distinct.",
        fsim,
        channels=LUMINANCE,
    ),
    "mdsi": Metric(
        "MDSI",
        "",
        False,
        (0, 1),
        "Nafchi, Shahkolaei, Hedjam & Cheriet 2016",
        "Mean deviation similarity index: how unevenly the damage to edges and colours is spread over the picture.",
        mdsi,
        channels=COLOUR,
    ),
    "vsi": Metric(
        "VSI",
        "",
        True,
        (0, 1),
        "Zhang, Shen & Li 2014",
        "Visual saliency index: how similar edges and colours are, above all where the eye is drawn.",
        vsi,
        channels=COLOUR,
    ),
    "dss": Metric(
        "DSS",
        "",
        True,
        (0, 1),
        "Balanov, Schwartz, Moshe & Peleg 2015",
        "Cosine transform similarity: how similarly coarse and fine patterns vary, where the match is worst.",
        dss,
        smallest=32,
        channels=LUMINANCE,
    ),
    "lpips": Metric(
        "LPIPS",
        "",
        False,
        (0, inf),
        "Zhang, Isola, Efros, Shechtman & Wang 2018",
        "Learned perceptual similarity: the distance of a network's features, weighted to agree with people.",
        lpips,
        smallest=32,
        channels=COLOUR,
        weights=(VGG16, "lpips_weights.pt"),
    ),
    "dists": Metric(
        "DISTS",
        "",
        False,
        (0, 1),
        "Ding, Ma, Wang & Simoncelli 2020",
        "Deep structure and texture: the distance of a network's features, tolerant of shifted texture.",
        dists,
        channels=COLOUR,
        weights=(VGG16, "dists_weights.pt"),
    ),
    "legible": Metric(
        "Class read",
        "",
        True,
        (0, 1),
        "Zhang, Isola & Efros 2016",
        "1 where a small classifier of original pictures reads the true class from the reconstruction, or else 0.",
        legible,
        against="class",
    ),
}


def parse(text: str) -> tuple[str, ...]:
    """The metrics in a line such as `gmsd,fsim`, or all for `all`; `ScoreError` suggests the nearest name."""
    names = [name.strip().lower() for name in text.split(",")]
    for name in names:
        if name not in METRICS and name != "all":
            hint = did_you_mean(name, METRICS)
            raise ScoreError(f"There is no metric {name!r}: {hint}Metrics: {', '.join(METRICS)}, or all.")
    return tuple(METRICS) if "all" in names else tuple(dict.fromkeys(names))
