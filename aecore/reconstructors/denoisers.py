"""Classical denoisers as reconstructors: what to measure a trained one against.

    clean = prepare("bm3d", datasets.load("cifar10"), Noise("gaussian", 0.1), root)
    clean(noisy_pictures)       # [N, C, H, W] float32, unclipped, to the same shape

What a method has to know of pictures (their covariance) is fitted on the training pictures; what it has to be told
(a blur's width, say) is chosen on validation pictures under that very noise, for the least mean squared error. `fits`
keeps both, so that they are worked out once. To add a method: write its function here and name it in `METHODS`.
"""

from __future__ import annotations

import difflib
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
from scipy.ndimage import gaussian_filter, median_filter
from scipy.optimize import minimize_scalar
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle, denoise_wavelet
from torch import Tensor

from aecore import AecoreError
from aecore.data.noise import Noise, key, noisy
from aecore.data.splits import Dataset, to_float
from aecore.files.fits import load_or_make
from aecore.measuring.metrics import mse
from aecore.models.layers import shape_text
from aecore.reconstructors.pca import MOST_NUMBERS, cached_pca

Knowledge = Literal["blind", "told the level"]
Settings = dict[str, Any]  # what a method's function is called with, beside the pictures
VERSION = 1  # of what is found out: with another one it is found out again
_MEASURED_ON = 500  # validation pictures that tell how strong a noise other than Gaussian is
_SMALLEST_FOR_BM3D = 12  # pixels each way: on 8×8 the library takes the process down
_STRONG = 40 / 255  # from where BM3D has settings of its own (Hou, Zhao, Yang & Cheng 2011)
_PATCH = 8  # pixels, each way
_PATCHES_OF = 10_000  # training pictures
_PATCH_STEP = 4  # pixels between the patches that are fitted
_BATCH = 50  # pictures in patches at a time: 24 MB of CIFAR-10


class DenoiserError(AecoreError):
    """A denoiser that cannot be had; the text says which can."""


@dataclass(frozen=True, eq=False)
class Task:
    """What a method is prepared for: pictures like these, under this noise. Fits are kept under `root`."""

    dataset: Dataset
    noise: Noise
    root: Path

    @cached_property
    def deviation(self) -> float:
        """The noise's standard deviation if Gaussian, else the root mean square of what it does to pictures."""
        if self.noise == Noise("gaussian", self.noise.level):
            return self.noise.level
        clean, corrupted = self.examples(_MEASURED_ON)
        return float((corrupted - clean).square().mean().sqrt())

    def examples(self, count: int) -> tuple[Tensor, Tensor]:
        """The first `count` validation pictures, clean and under the noise, each `[N, C, H, W]`."""

        clean = to_float(self.dataset.validation.pixels[:count])
        return clean, noisy(clean, self.noise, key("tuning"), range(len(clean)))


@dataclass(frozen=True)
class Choice:
    """How a method's one setting is chosen: the best of a rising `grid`, or better one between its neighbours.

    A `relative` grid is in units of the noise's standard deviation. `pictures` is how many of the validation's decide.
    """

    setting: str
    grid: tuple[float, ...]
    pictures: int
    relative: bool = False
    between: bool = True


@dataclass(frozen=True)
class Method:
    """A way to denoise: `clean` takes pictures, what `learn` finds out for a task, and what `choice` settles.

    `knowledge` says whether it is given the noise's level or finds it in each picture. A `slow` one is measured on a
    part of the test pictures. A `linear` one is fitted once and then has the same weights for every picture. `requires`
    names an optional package that `clean` imports, and `terms` says what that package's licence allows.
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

    @property
    def missing(self) -> str:
        """A sentence that says how to install the package that the method requires; empty if it can run here."""
        if not self.requires or find_spec(self.requires):
            return ""
        install = f"`python -m pip install -r requirements-{self.requires}.txt`"
        return f"{self.title} is not installed: {install} gets it; its licence allows {self.terms}."


@dataclass(frozen=True, eq=False)
class Denoiser:
    """A method that is ready for pictures of one data set under one noise: a reconstructor."""

    name: str
    code_size: int
    settings: Settings
    clean: Callable[..., Tensor]

    def __call__(self, pictures: Tensor) -> Tensor:
        """Denoise `[N, C, H, W]` float32 pictures, unclipped; the output is of the same shape and not clamped."""

        with torch.inference_mode():
            return self.clean(pictures, **self.settings).to(pictures.dtype).contiguous()

    def differentiable(self, pictures: Tensor) -> Tensor:
        """What a call gives, with gradients: of methods that torch computes, such as the Wiener filters."""
        return self.clean(pictures, **self.settings)


def prepare(name: str, dataset: Dataset, noise: Noise, root: Path) -> Denoiser:
    """The method `name`, made ready for `noise` on pictures of `dataset`.

    The first time this takes seconds, and the fit of the global Wiener filter about a minute on CIFAR-10; what was
    found out is kept under `root`. Raises what `find_method` raises.
    """
    method, task = find_method(name), Task(dataset, noise, root)
    size = prod(dataset.shape)
    if method.knowledge == "told the level" and task.deviation == 0:
        return Denoiser(name, size, {}, lambda pictures: pictures)
    settings = method.learn(task)
    if method.choice:
        settings = settings | {method.choice.setting: _chosen(method, method.choice, settings, task)}
    return Denoiser(name, size, settings, method.clean)


def find_method(name: str) -> Method:
    """The method called `name`, which can run here.

    Raises `DenoiserError` with the nearest name for an unknown one, or with the package that is not installed.
    """
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DenoiserError(f"There is no denoiser called {name!r}: {hint}Denoisers: {', '.join(METHODS)}.")
    if missing := METHODS[name].missing:
        raise DenoiserError(missing)
    return METHODS[name]


def _chosen(method: Method, choice: Choice, settings: Settings, task: Task) -> float:
    """What the method's setting should be, from the store if it was asked for before."""

    def choose() -> dict[str, Tensor]:
        clean, corrupted = task.examples(choice.pictures)

        def error(value: float) -> float:
            return float(mse(method.clean(corrupted, **settings, **{choice.setting: value}), clean).mean())

        unit = task.deviation if choice.relative else 1.0
        best = _least(error, [unit * value for value in choice.grid], choice.between)
        return {choice.setting: torch.tensor(best, dtype=torch.float64)}

    facts = {
        "version": VERSION,
        "dataset": task.dataset.fingerprint,
        "noise": str(task.noise),
        "choice": asdict(choice),
    }
    return float(load_or_make(task.root, method.name, facts, choose)[choice.setting])


def _least(error: Callable[[float], float], grid: Sequence[float], between: bool) -> float:
    """Where `error` is least: on the rising `grid`, then by Brent's bounded method between the best's neighbours."""

    errors = [error(value) for value in grid]
    best = errors.index(min(errors))
    if not between:
        return grid[best]
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(error, bounds, bounds=bounds, method="bounded", options={"xatol": 0.02 * grid[best]})
    return float(found.x) if found.fun < errors[best] else grid[best]


def _blur(pictures: Tensor, width: float) -> Tensor:

    return torch.from_numpy(gaussian_filter(pictures.numpy(), (0, 0, width, width)))


def _median(pictures: Tensor, size: float) -> Tensor:

    return torch.from_numpy(median_filter(pictures.numpy(), (1, 1, int(size), int(size))))


def _total_variation(pictures: Tensor, weight: float) -> Tensor:

    planes = pictures.flatten(0, 1).numpy()  # [N × C, H, W]
    cleaned = denoise_tv_chambolle(planes, weight, channel_axis=0)  # type: ignore[no-untyped-call]
    return torch.from_numpy(cleaned).reshape(pictures.shape)


def _wavelet(pictures: Tensor) -> Tensor:

    in_colour = pictures.shape[1] == 3

    def clean(picture: np.ndarray) -> np.ndarray:
        cleaned = denoise_wavelet(picture, wavelet="sym8", wavelet_levels=3, convert2ycbcr=in_colour, channel_axis=-1)
        # A flat picture has no detail that would tell how strong the noise is: there is none.
        return np.where(np.isfinite(cleaned), cleaned, picture)

    with warnings.catch_warnings():
        # That three levels reach over the border of so small a picture; they clean better than two all the same.
        warnings.simplefilter("ignore")
        return _each(pictures, clean)


def _non_local_means(pictures: Tensor, deviation: float, h: float) -> Tensor:

    # The slow mode weighs a patch's middle more: half a decibel better than the fast one, and eight times as slow.
    clean = partial(
        denoise_nl_means, patch_size=5, patch_distance=4, h=h, fast_mode=False, sigma=deviation, channel_axis=-1
    )
    cleaned = _each(pictures, clean)
    # With a small `h` the weights of some pixels leave the range of floats, and the library's mean is no number.
    return cleaned.where(cleaned.isfinite(), pictures)


def _bm3d(pictures: Tensor, deviation: float, spectrum: int = 0) -> Tensor:
    """BM3D; at `spectrum` frequencies each way the noise's strength is reckoned with, 32 by the library's default.

    The noise is white: to reckon with its spectrum takes some forty times as long and gains a tenth of a decibel
    (`python -m benchmarks.bm3d`).
    """
    import bm3d  # optional: its licence allows non-commercial use only

    if min(pictures.shape[2:]) < _SMALLEST_FOR_BM3D:
        raise DenoiserError(
            f"BM3D is for pictures of at least {_SMALLEST_FOR_BM3D}×{_SMALLEST_FOR_BM3D} pixels, "
            f"not {shape_text(pictures.shape[1:])}."
        )
    if deviation > _STRONG:
        profile = bm3d.BM3DProfileVN()
    else:
        profile = bm3d.BM3DProfile()
        profile.step_ht = profile.step_wiener = 2  # pixels between blocks; 3 by default, for larger pictures
    profile.num_threads = 1  # with more of them the order of additions changes from call to call
    profile.nf = spectrum

    def clean(picture: np.ndarray) -> np.ndarray:
        if picture.shape[2] == 3:
            with np.errstate(divide="ignore", invalid="ignore"):
                scaled = bm3d.rgb_to(picture, "opp")[0]
            # A grey picture's colour differences are flat, and cannot be scaled to their range as `bm3d_rgb` does.
            if np.isfinite(scaled).all():
                return np.asarray(bm3d.bm3d_rgb(picture, deviation, profile))
        planes = [bm3d.bm3d(plane, deviation, profile) for plane in picture.transpose(2, 0, 1)]
        return np.stack(planes, axis=2)

    return _each(pictures, clean)


def _each(pictures: Tensor, clean: Callable[[np.ndarray], Any]) -> Tensor:
    """`clean` on one picture `[H, W, C]` after the other."""

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
            f"The Wiener filter of whole pictures is for {MOST_NUMBERS:,} numbers a picture at most, and "
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
        "pictures": _PATCHES_OF,
    }
    known = load_or_make(task.root, "patches", facts, lambda: _fit_patches(task.dataset))
    noise = task.deviation**2 * torch.eye(len(known["mean"]), dtype=torch.float64)
    # C (C + σ²I)⁻¹, where both are symmetric and commute.
    shrink = torch.linalg.solve(known["covariance"] + noise, known["covariance"])
    return {"mean": known["mean"].float(), "shrink": shrink.float()}


def _fit_patches(dataset: Dataset) -> dict[str, Tensor]:
    """Mean and covariance of training patches `[C × 8 × 8]`.

    In float64: against weak noise the inverse is that of little more than the covariance, which is nearly singular.
    """

    pixels = dataset.train.pixels[:_PATCHES_OF]
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
            "Each pixel becomes a weighted mean of its neighbours, so that noise averages out, and edges with it.",
            "scipy.ndimage.gaussian_filter",
            "told the level",
            _blur,
            choice=Choice("width", (0.2, 0.4, 0.8, 1.6, 3.2, 6.4), 300),
        ),
        Method(
            "median",
            "Median filter",
            "Each pixel becomes the middle one of its neighbourhood, which outliers do not move.",
            "Tukey 1977; scipy.ndimage.median_filter",
            "told the level",
            _median,
            choice=Choice("size", (1, 3, 5, 7, 9, 11, 13, 15, 17, 19), 200, between=False),
        ),
        Method(
            "wiener",
            "Wiener filter",
            "The best linear guess where noise of one strength is added everywhere: each principal component of a "
            "whole picture shrinks by how much of it is noise.",
            "Wiener 1949; PCA of the training pictures",
            "told the level",
            _wiener,
            _learn_wiener,
            linear=True,
        ),
        Method(
            "patch-wiener",
            "Patchwise Wiener filter",
            "The same from 8×8 pixels at a time, averaged wherever such patches overlap.",
            "Wiener 1949; covariance of training patches",
            "told the level",
            _patch_wiener,
            _learn_patch_wiener,
            linear=True,
        ),
        Method(
            "wavelet",
            "Wavelet shrinkage",
            "Small wavelet coefficients are mostly noise: each band is shrunk by what it seems to hold of it.",
            "BayesShrink, Chang, Yu & Vetterli 2000; skimage.restoration.denoise_wavelet",
            "blind",
            _wavelet,
        ),
        Method(
            "tv",
            "Total variation",
            "The nearest picture whose brightness goes up and down less: flat areas between sharp edges.",
            "Rudin, Osher & Fatemi 1992, Chambolle 2004; skimage.restoration.denoise_tv_chambolle",
            "told the level",
            _total_variation,
            choice=Choice("weight", (0.125, 0.25, 0.5, 1, 2, 4), 48, relative=True),
        ),
        Method(
            "nlm",
            "Non-local means",
            "Each pixel becomes a mean of those whose surroundings look like its own, wherever they lie.",
            "Buades, Coll & Morel 2005; skimage.restoration.denoise_nl_means",
            "told the level",
            _non_local_means,
            lambda task: {"deviation": task.deviation},
            Choice("h", (0.125, 0.25, 0.5, 1, 2, 4), 48, relative=True),
            slow=True,
        ),
        Method(
            "bm3d",
            "BM3D",
            "Similar blocks are stacked and shrunk together in three dimensions; for years the one to beat.",
            "Dabov, Foi, Katkovnik & Egiazarian 2007; bm3d, for non-commercial use",
            "told the level",
            _bm3d,
            lambda task: {"deviation": task.deviation},
            slow=True,
            requires="bm3d",
            terms="non-commercial use only",
        ),
    )
}
