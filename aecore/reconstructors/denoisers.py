"""Classical denoisers as reconstructors: the baselines of trained denoisers.

    clean = prepare("bm3d", datasets.load("cifar10"), Noise("gaussian", 0.1), root)
    clean(noisy_pictures)       # [N, C, H, W] float32, unclipped, to the same shape

Statistics that a method needs (the covariance of pictures) are fitted on the training pictures. Settings (the width of
a blur) are tuned on validation pictures under the same noise, for the least mean squared error. `fits` caches both.
To add a method: write its function here and add it to `METHODS`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from aecore import AecoreError, did_you_mean
from aecore.data.noise import Noise, key, noisy
from aecore.data.splits import Dataset, to_float
from aecore.files.fits import load_or_make
from aecore.measuring.metrics import mse
from aecore.models.layers import shape_text
from aecore.models.reconstructor import Reach
from aecore.reconstructors.pca import MOST_NUMBERS, cached_pca

Knowledge = Literal["blind", "given the level"]
Settings = dict[str, Any]  # the keyword arguments of a method's function, besides the pictures
VERSION = 2  # of fits and tuned settings: raise it to invalidate the cached ones
GLOBAL_WIENER = "wiener"  # the one method that takes all components of a picture, and so no large pictures
_LEVEL_PICTURES = 300  # validation pictures on which the strength of a noise other than Gaussian is measured
_SMALLEST_FOR_BM3D = 12  # pixels per side: on 8×8 the library crashes the process
_TRUNCATE = 4.0  # standard deviations after which the weights of a blur end: the library's default
_STRONG = 0.3  # above this deviation BM3D does better with another profile (Hou, Zhao, Yang & Cheng 2011)
# Pixels that BM3D is given around a part of a large picture, since the whole takes minutes. It sees further, but
# less and less: parts of 64×64 differ from the whole by 0.04 of 255 on average, and by 3.3 at most.
_MOSTLY = 32
_SPECTRUM = 16  # frequencies per axis at which BM3D weighs the noise: with 32, the default, it takes four times as long
_COMPARED, _SEARCHED = 5, 4  # pixels per side of a patch that non-local means compares, and how far away it looks
_PATCH = 8  # pixels per side
_PATCH_PICTURES = 10_000  # training pictures whose patches are fitted
_PATCH_STEP = 4  # pixels between the patches that are fitted
_EVERYTHING = Reach(None)
_BATCH = 50  # pictures split into patches at a time: 24 MB for CIFAR-10


class DenoiserError(AecoreError):
    """A denoiser does not exist or cannot run here; the message says what to use instead."""


@dataclass(frozen=True, eq=False)
class Task:
    """The pictures and the noise that a method is prepared for. Fits are cached under `root`."""

    dataset: Dataset
    noise: Noise
    root: Path

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of Gaussian noise, or the root mean square change of pictures under another noise."""
        if self.noise == Noise("gaussian", self.noise.level):
            return self.noise.level
        clean, corrupted = self.examples(_LEVEL_PICTURES)
        return float((corrupted - clean).square().mean().sqrt())

    def examples(self, count: int) -> tuple[Tensor, Tensor]:
        """The first `count` validation pictures, clean and noisy, both `[N, C, H, W]`."""
        clean = to_float(self.dataset.validation.pixels[:count])
        return clean, noisy(clean, self.noise, key("tuning"), range(len(clean)))


@dataclass(frozen=True)
class Choice:
    """How a method's setting is tuned: the best value of a rising `grid`, refined `between` its neighbours.

    A `relative` grid is in units of the noise's standard deviation. `pictures` is the number of validation pictures.
    """

    setting: str
    grid: tuple[float, ...]
    pictures: int
    relative: bool = False
    between: bool = True


@dataclass(frozen=True)
class Method:
    """A method of denoising: `clean` takes pictures, the settings that `learn` fits, and the one that `choice` tunes.

    `knowledge` says whether it is given the noise level or estimates it from each picture. A `slow` method is measured
    on a part of the test pictures. A `linear` one is fitted once and applies the same weights to every picture.
    `requires` names an optional package that `clean` imports, and `terms` says what that package's licence allows.

    One for `any_size` takes larger pictures than those it was prepared for. Its `reach` is how many pixels away the
    pixels are that one of its outputs depends on, under its settings; None where these are all pixels. Such a method
    says how much memory one pass takes per pixel of a picture in colour, as measured on 2 to 8 megapixels.
    """

    name: str
    title: str
    story: str
    source: str
    knowledge: Knowledge
    clean: Callable[..., Tensor]
    learn: Callable[[Task], Settings] = lambda task: {}
    choice: Choice | None = None
    slow: bool = False
    linear: bool = False
    requires: str = ""
    terms: str = ""
    any_size: bool = True
    reach: Callable[[Settings], int | None] = lambda settings: None
    bytes_per_pixel: float = 0.0

    @property
    def missing(self) -> str:
        """A sentence on how to install the package that the method requires; empty if the method can run."""
        if not self.requires or find_spec(self.requires):
            return ""
        install = f"`python -m pip install -r requirements-{self.requires}.txt`"
        return f"{self.title} is not installed: {install} installs it; its licence allows {self.terms}."


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A method prepared for pictures of one data set under one noise: a reconstructor."""

    name: str
    code_size: int
    settings: Settings
    clean: Callable[..., Tensor]
    any_size: bool = True
    reach: Reach = _EVERYTHING
    bytes_per_pixel: float = 0.0

    def __call__(self, pictures: Tensor) -> Tensor:
        """Denoise `[N, C, H, W]` float32 pictures, unclipped; the output has the same shape and is not clamped."""
        with torch.inference_mode():
            return self.clean(pictures, **self.settings).to(pictures.dtype).contiguous()

    def differentiable(self, pictures: Tensor) -> Tensor:
        """The same output as a call, with gradients; only for methods that torch computes, such as Wiener filters."""
        return self.clean(pictures, **self.settings)


def prepare(name: str, dataset: Dataset, noise: Noise, root: Path) -> Denoiser:
    """Prepare the method `name` for `noise` on pictures of `dataset`.

    The first call takes seconds, and about a minute for the global Wiener filter on CIFAR-10; its results are cached
    under `root`. Raises what `find_method` raises.
    """
    method, task = find_method(name), Task(dataset, noise, root)
    size = prod(dataset.shape)
    if method.knowledge == "given the level" and task.deviation == 0:
        return Denoiser(name, size, {}, lambda pictures: pictures, reach=Reach(0))
    settings = method.learn(task)
    if method.choice:
        settings = settings | {method.choice.setting: _tuned(method, method.choice, settings, task)}
    reach = Reach(method.reach(settings))
    return Denoiser(name, size, settings, method.clean, method.any_size, reach, method.bytes_per_pixel)


def find_method(name: str) -> Method:
    """The method called `name`.

    Raises `DenoiserError` for an unknown name, suggesting the nearest, and if the package it needs is not installed.
    """
    if name not in METHODS:
        hint = did_you_mean(name, METHODS)
        raise DenoiserError(f"There is no denoiser called {name!r}: {hint}Denoisers: {', '.join(METHODS)}.")
    if missing := METHODS[name].missing:
        raise DenoiserError(missing)
    return METHODS[name]


def _tuned(method: Method, choice: Choice, settings: Settings, task: Task) -> float:
    """The best value of the method's setting, from the cache if it was tuned before."""

    def tune() -> dict[str, Tensor]:
        clean, corrupted = task.examples(choice.pictures)

        def error(value: float) -> float:
            return float(mse(method.clean(corrupted, **settings, **{choice.setting: value}), clean).mean())

        unit = task.deviation if choice.relative else 1.0
        best = _minimiser(error, [unit * value for value in choice.grid], choice.between)
        return {choice.setting: torch.tensor(best, dtype=torch.float64)}

    facts = {
        "version": VERSION,
        "dataset": task.dataset.fingerprint,
        "noise": str(task.noise),
        "choice": asdict(choice),
    }
    return float(load_or_make(task.root, method.name, facts, tune)[choice.setting])


def _minimiser(error: Callable[[float], float], grid: Sequence[float], between: bool) -> float:
    """The value of least `error` on the rising `grid`, then by Brent's bounded method between its neighbours."""
    errors = [error(value) for value in grid]
    best = errors.index(min(errors))
    if not between:
        return grid[best]
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    from scipy.optimize import minimize_scalar

    refined = minimize_scalar(error, bounds, bounds=bounds, method="bounded", options={"xatol": 0.02 * grid[best]})
    return float(refined.x) if refined.fun < errors[best] else grid[best]


# scikit-image and parts of SciPy are imported where they are used: they take up to a second and tens of megabytes.


def _blur(pictures: Tensor, width: float) -> Tensor:
    from scipy.ndimage import gaussian_filter

    return torch.from_numpy(gaussian_filter(pictures.numpy(), (0, 0, width, width), truncate=_TRUNCATE))


def _median(pictures: Tensor, size: float) -> Tensor:
    from scipy.ndimage import median_filter

    return torch.from_numpy(median_filter(pictures.numpy(), (1, 1, int(size), int(size))))


def _total_variation(pictures: Tensor, weight: float) -> Tensor:
    from skimage.restoration import denoise_tv_chambolle

    planes = pictures.flatten(0, 1).numpy()  # [N × C, H, W]
    cleaned = denoise_tv_chambolle(planes, weight, channel_axis=0)  # type: ignore[no-untyped-call]
    return torch.from_numpy(cleaned).reshape(pictures.shape)


def _wavelet(pictures: Tensor) -> Tensor:
    from skimage.restoration import denoise_wavelet

    in_colour = pictures.shape[1] == 3

    def clean(picture: np.ndarray) -> np.ndarray:
        cleaned = denoise_wavelet(picture, wavelet="sym8", wavelet_levels=3, convert2ycbcr=in_colour, channel_axis=-1)
        # On a flat picture the estimate of the noise is not finite; there is no noise to remove.
        return np.where(np.isfinite(cleaned), cleaned, picture)

    with warnings.catch_warnings():
        # The warning: three levels reach beyond the border of a small picture. They still denoise better than two.
        warnings.simplefilter("ignore")
        return _one_by_one(pictures, clean)


def _non_local_means(pictures: Tensor, deviation: float, h: float) -> Tensor:
    from skimage.restoration import denoise_nl_means

    # The slow mode weights the middle of a patch more: 0.5 dB better than the fast mode, and eight times as slow.
    clean = partial(
        denoise_nl_means,
        patch_size=_COMPARED,
        patch_distance=_SEARCHED,
        h=h,
        fast_mode=False,
        sigma=deviation,
        channel_axis=-1,
    )
    cleaned = _one_by_one(pictures, clean)
    # With a small `h` the weights of some pixels underflow, and the library returns NaN for them.
    return cleaned.where(cleaned.isfinite(), pictures)


def _bm3d(pictures: Tensor, deviation: float) -> Tensor:
    import bm3d  # optional: its licence allows non-commercial use only

    if min(pictures.shape[2:]) < _SMALLEST_FOR_BM3D:
        raise DenoiserError(
            f"BM3D needs pictures of at least {_SMALLEST_FOR_BM3D}×{_SMALLEST_FOR_BM3D} pixels, "
            f"not {shape_text(pictures.shape[1:])}."
        )
    if deviation > _STRONG:
        profile = bm3d.BM3DProfileVN()
    else:
        profile = bm3d.BM3DProfile()
        profile.step_ht = profile.step_wiener = 2  # pixels between blocks; 3 by default, for larger pictures
    profile.nf = _SPECTRUM
    profile.num_threads = 1  # with more, the order of additions changes from call to call

    def clean(picture: np.ndarray) -> np.ndarray:
        if picture.shape[2] == 3:
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled = bm3d.rgb_to(picture, "opp")[0]
            # The colour differences of a grey picture are constant: `bm3d_rgb` cannot scale them to their range.
            if np.isfinite(scaled).all():
                return np.asarray(bm3d.bm3d_rgb(picture, deviation, profile))
        planes = [bm3d.bm3d(plane, deviation, profile) for plane in picture.transpose(2, 0, 1)]
        return np.stack(planes, axis=2)

    return _one_by_one(pictures, clean)


def _one_by_one(pictures: Tensor, clean: Callable[[np.ndarray], Any]) -> Tensor:
    """Apply `clean` to every picture as `[H, W, C]`."""
    # Reshaped because a library may drop the axis of a single channel.
    rows = [np.reshape(clean(picture), picture.shape) for picture in pictures.permute(0, 2, 3, 1).contiguous().numpy()]
    return torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)


def _wiener(pictures: Tensor, mean: Tensor, axes: Tensor, gains: Tensor) -> Tensor:
    code = (pictures.flatten(1) - mean) @ axes.T  # [N, D]
    return (mean + (code * gains) @ axes).reshape(pictures.shape)


def _learn_wiener(task: Task) -> Settings:
    numbers = prod(task.dataset.shape)
    if numbers > MOST_NUMBERS:
        raise DenoiserError(
            f"The Wiener filter of whole pictures takes at most {MOST_NUMBERS:,} numbers per picture, and "
            f"{task.dataset.title} has {numbers:,}: take patch-wiener."
        )
    pca = cached_pca(task.dataset, task.root)
    return {"mean": pca.mean, "axes": pca.axes, "gains": pca.variances / (pca.variances + task.deviation**2)}


def _patch_wiener(pictures: Tensor, mean: Tensor, shrink: Tensor) -> Tensor:
    size = pictures.shape[2:]
    counts = F.fold(F.unfold(torch.ones(1, 1, *size), _PATCH), size, _PATCH)  # [1, 1, H, W]
    rows = []
    for batch in torch.split(pictures, _BATCH):
        patches = F.unfold(batch, _PATCH)  # [N, C × 8 × 8, places]
        patches = mean[:, None] + shrink @ (patches - mean[:, None])
        rows.append(F.fold(patches, size, _PATCH) / counts)
    return torch.cat(rows)


def _learn_patch_wiener(task: Task) -> Settings:
    facts = {
        "version": VERSION,
        "dataset": task.dataset.fingerprint,
        "patch": _PATCH,
        "step": _PATCH_STEP,
        "pictures": _PATCH_PICTURES,
    }
    fit = load_or_make(task.root, "patches", facts, lambda: _fit_patches(task.dataset))
    noise = task.deviation**2 * torch.eye(len(fit["mean"]), dtype=torch.float64)
    # C (C + σ²I)⁻¹; both factors are symmetric and commute.
    shrink = torch.linalg.solve(fit["covariance"] + noise, fit["covariance"])
    return {"mean": fit["mean"].float(), "shrink": shrink.float()}


def _fit_patches(dataset: Dataset) -> dict[str, Tensor]:
    """Mean and covariance of training patches `[C × 8 × 8]`.

    In float64: for weak noise the matrix to invert is almost the covariance, which is nearly singular.
    """
    pixels = dataset.train.pixels[:_PATCH_PICTURES]
    size = dataset.shape[0] * _PATCH**2
    count, total, products = 0, torch.zeros(size, dtype=torch.float64), torch.zeros(size, size, dtype=torch.float64)
    for batch in torch.split(pixels, _BATCH):
        patches = F.unfold(to_float(batch).double(), _PATCH, stride=_PATCH_STEP).transpose(1, 2).flatten(0, 1)
        count += len(patches)
        total += patches.sum(0)
        products.addmm_(patches.T, patches)
    mean = total / count
    return {"mean": mean, "covariance": products / count - torch.outer(mean, mean)}


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method(
            "blur",
            "Gaussian blur",
            "Each pixel becomes a weighted mean of its neighbours: noise averages out, and edges blur.",
            "scipy.ndimage.gaussian_filter",
            "given the level",
            _blur,
            choice=Choice("width", (0.2, 0.4, 0.8, 1.6, 3.2, 6.4), 300),
            reach=lambda settings: int(_TRUNCATE * settings["width"] + 0.5),
        ),
        Method(
            "median",
            "Median filter",
            "Each pixel becomes the median of its neighbourhood, which outliers do not move.",
            "Tukey 1977; scipy.ndimage.median_filter",
            "given the level",
            _median,
            choice=Choice("size", (1, 3, 5, 7, 9, 11, 13, 15, 17, 19), 200, between=False),
            reach=lambda settings: int(settings["size"]) // 2,
        ),
        Method(
            GLOBAL_WIENER,
            "Wiener filter",
            "The best linear estimate for added noise of one strength: each principal component of the whole picture "
            "shrinks by its share of noise.",
            "Wiener 1949; PCA of the training pictures",
            "given the level",
            _wiener,
            _learn_wiener,
            linear=True,
            any_size=False,
        ),
        Method(
            "patch-wiener",
            "Patchwise Wiener filter",
            "The Wiener filter on patches of 8×8 pixels, averaged where they overlap.",
            "Wiener 1949; covariance of training patches",
            "given the level",
            _patch_wiener,
            _learn_patch_wiener,
            linear=True,
            reach=lambda settings: _PATCH - 1,
        ),
        Method(
            "wavelet",
            "Wavelet shrinkage",
            "Small wavelet coefficients are mostly noise: each band shrinks by its estimated share of noise.",
            "BayesShrink, Chang, Yu & Vetterli 2000; skimage.restoration.denoise_wavelet",
            "blind",
            _wavelet,
            bytes_per_pixel=64,
        ),
        Method(
            "tv",
            "Total variation",
            "The nearest picture with less total change of brightness: flat areas between sharp edges.",
            "Rudin, Osher & Fatemi 1992, Chambolle 2004; skimage.restoration.denoise_tv_chambolle",
            "given the level",
            _total_variation,
            # A fine grid, because the error has more than one minimum.
            choice=Choice(
                "weight", (0.125, 0.25, 0.35, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.2, 1.5, 2, 3, 4), 48, relative=True
            ),
            bytes_per_pixel=60,
        ),
        Method(
            "nlm",
            "Non-local means",
            "Each pixel becomes a weighted mean of the pixels nearby whose surroundings look like its own.",
            "Buades, Coll & Morel 2005; skimage.restoration.denoise_nl_means",
            "given the level",
            _non_local_means,
            lambda task: {"deviation": task.deviation},
            Choice("h", (0.125, 0.25, 0.5, 1, 2, 4), 48, relative=True),
            slow=True,
            reach=lambda settings: _SEARCHED + _COMPARED // 2,
        ),
        Method(
            "bm3d",
            "BM3D",
            "Similar blocks are stacked and shrunk together in three dimensions; for years the strongest baseline.",
            "Dabov, Foi, Katkovnik & Egiazarian 2007; bm3d, for non-commercial use",
            "given the level",
            _bm3d,
            lambda task: {"deviation": task.deviation},
            slow=True,
            reach=lambda settings: _MOSTLY,
            requires="bm3d",
            terms="non-commercial use only",
        ),
    )
}
