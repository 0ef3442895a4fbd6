"""The caches of the dashboard, besides the jobs. Keys are names and numbers, never pixels; every cache is bounded.

A contestant is hashed by its key alone: Streamlit does not hash arguments that begin with an underscore.
"""

from __future__ import annotations

import atexit
import gc
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import cast

import numpy as np
import pandas as pd
import streamlit as st
import torch
from numpy.typing import NDArray
from PIL import Image
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx
from torch import Tensor

from aecore.data import catalog, datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Dataset, Split, to_float
from aecore.files import allocator
from aecore.measuring.scoring import joined, per_picture, score
from aecore.models.reconstructor import Differentiable, Reconstructor
from aecore.reconstructors.compiled import Compiled, compiled
from aecore.reconstructors.trained import Model
from aecore.runs.store import WEIGHTS, Run, Store
from aecore.studies import by_name, sensitivity
from aecore.studies.contestants import Contestant, of_run
from aecore.studies.sensitivity import Spread
from pages.components import jobs, png
from pages.components.links import MOST_MODELS

Pixels = NDArray[np.uint8]
Scored = tuple[Pixels, pd.DataFrame]  # pictures `[N, C, H, W]`, and their scores, one row per picture

# A page shows up to eight models: so many are held whatever their size, and more of them up to these bytes.
MOST_BYTES = 100_000_000
LOOK = 1.0  # seconds between two looks at whether a folder has changed
_pool = ThreadPoolExecutor(jobs.HELPERS, initializer=jobs.one_core)
# So that the models that `_model` excludes from garbage collection are freed in order when the process ends.
atexit.register(gc.unfreeze)


_stamps: dict[str, str] = {}  # of the folders that were read


def dataset(name: str) -> Dataset:
    """A data set, read once for all sessions. A folder is read again, and what was computed of it, when it changes."""
    stamp = _stamp(name) if catalog.is_folder(name) else ""
    if _stamps.setdefault(name, stamp) != stamp:
        _stamps[name] = stamp
        for cache in (thumbnails, classes, originals, _given, _output, _scored, _another_score, _measured_scores):
            cache.clear()
        jobs.clear()
    return _dataset(name, stamp)


@st.cache_data(max_entries=16, ttl=LOOK, show_spinner=False)
def _stamp(name: str) -> str:
    return datasets.stamp(name)


@st.cache_resource(max_entries=4, show_spinner="Reading the pictures")
def _dataset(name: str, stamp: str) -> Dataset:
    pictures = datasets.load(name)
    # Read here, under this spinner: a damaged data set must be reported where it is picked.
    _ = pictures.test
    return pictures


def forget_runs() -> None:
    """Forget what was computed of runs: one of them was replaced by another's, whose bits may differ."""
    for cache in (_model, history, _stored_scores, _output, _scored, _another_score, _measured_scores):
        cache.clear()
    jobs.clear()


def check_model(contestant: Contestant) -> None:
    """Raise an `AecoreError` where the weights of a trained contestant are damaged or missing."""
    if contestant.run:
        _trained(contestant.run)


def check_tables(contestant: Contestant, dataset_name: str) -> None:
    """Raise an `AecoreError` where the loss curves or scores of a trained contestant are damaged or missing."""
    if contestant.run:
        history(contestant.key)
        stored_scores(contestant.run, dataset_name)


@st.cache_resource(max_entries=64, show_spinner="Loading the model")
def _model(key: str, weights: str) -> Compiled | Model:
    model = compiled(partial(Store().load, key))
    allocator.return_freed_memory_soon()  # making it takes several times the memory of the weights
    # Modules and models never become garbage. With them a full collection takes a quarter of a second.
    gc.freeze()
    return model


_held: OrderedDict[tuple[str, str], int] = OrderedDict()  # the bytes of each model of `_model`, the last used last
_holding = Lock()


def _trained(run: Run) -> Compiled | Model:
    """A trained model; those that were used longest ago make room where all of them would take much memory."""
    name = (run.key, run.digest(WEIGHTS))
    model = _model(*name)
    with _holding:
        _held[name] = model.bytes_held
        _held.move_to_end(name)
        dropped = []
        while len(_held) > MOST_MODELS and sum(_held.values()) > MOST_BYTES:
            dropped.append(_held.popitem(last=False)[0])
    for other in dropped:
        _model.clear(*other)
    return model


# Few, because the Wiener filter of CIFAR-10 takes 38 MB.
@st.cache_resource(max_entries=6, show_spinner=False)
def _baseline(key: str, dataset_name: str, noise: Noise | None) -> Reconstructor:
    return by_name.find(key, dataset(dataset_name), noise, Store())


def _reconstructor(contestant: Contestant, dataset_name: str, noise: Noise | None) -> Reconstructor:
    if contestant.run:
        return _trained(contestant.run)
    return _baseline(contestant.key, dataset_name, noise if contestant.is_given_the_noise else None)


def reconstructor(contestant: Contestant, dataset_name: str, noise: Noise | None) -> Reconstructor:
    """What computes the outputs of a contestant, fitted to this data set and, where it is given it, to the noise.

    The first call of one that fits or tunes takes seconds.
    """
    return _reconstructor(contestant, dataset_name, noise)


@st.cache_data(max_entries=64)
def history(key: str) -> pd.DataFrame:
    """The loss curves of a run."""
    return Store().find(key).history()


def stored_scores(run: Run, dataset_name: str) -> pd.DataFrame:
    """The scores of a run under the noise that it was trained with, one row per test picture.

    They are the stored ones, or measured now if the run was trained on other pictures (those of another data set, or
    of a folder that has changed since), or scored under other noise than these pictures get now.
    """
    pictures = dataset(dataset_name)
    if pictures.fingerprint == run.spec.fingerprint and run.is_comparable:
        scores = _stored_scores(run.key)
        return scores[scores["picture"] < len(pictures.test)]  # an excerpt holds the first ones
    return _measured_scores(of_run(run), run.key, dataset_name)


@st.cache_data(max_entries=64)
def _stored_scores(key: str) -> pd.DataFrame:
    return Store().find(key).scores()


@st.cache_data(max_entries=64, show_spinner="Measuring the model on the test pictures")
def _measured_scores(_contestant: Contestant, key: str, dataset_name: str) -> pd.DataFrame:
    jobs.one_core()
    return _scores(_contestant, dataset_name, _contestant.trained_under, 0, None)


# ---- in the background


def denoised(contestant: Contestant, dataset_name: str, picture: int, noise: Noise | None, seed: int) -> Future[Tensor]:
    """The output of a contestant for one noisy test picture, `[1, C, H, W]`."""
    return jobs.begun(jobs.lane_of(contestant), _denoised, contestant, dataset_name, picture, noise, seed)


def scores(
    contestant: Contestant, dataset_name: str, noise: Noise | None, seed: int, most: int
) -> Future[pd.DataFrame]:
    """One row per picture for the first `most` test pictures under `noise`."""
    return jobs.begun(jobs.lane_of(contestant), _scores, contestant, dataset_name, noise, seed, most)


def spread(
    contestant: Contestant, dataset_name: str, picture: int, noise: Noise, seed: int, draws: int
) -> Future[Spread]:
    """A contestant on one test picture under many draws of the noise."""
    lane = jobs.lane_of(contestant, many_draws=True)
    return jobs.begun(lane, _spread, contestant, dataset_name, picture, noise, seed, draws)


def weights(
    contestant: Contestant, dataset_name: str, picture: int, noise: Noise | None, seed: int, pixel: tuple[int, int]
) -> Future[Tensor]:
    """The weights `[H, W]` with which a contestant averages the pixels of a noisy test picture into the one at `pixel`
    (row, column): those of each channel on itself, averaged over the channels.

    The contestant must be differentiable by torch.
    """
    return jobs.begun(jobs.lane_of(contestant), _weights, contestant, dataset_name, picture, noise, seed, pixel)


def _denoised(contestant: Contestant, dataset_name: str, picture: int, noise: Noise | None, seed: int) -> Tensor:
    _, given = _given(dataset_name, (picture,), noise, seed)
    return _reconstructor(contestant, dataset_name, noise)(given)


def _scores(
    contestant: Contestant, dataset_name: str, noise: Noise | None, seed: int, most: int | None
) -> pd.DataFrame:
    test = dataset(dataset_name).test
    split = Split(test.pixels[:most], test.labels[:most])
    return joined(score(_reconstructor(contestant, dataset_name, noise), split, noise, seed))


def _spread(contestant: Contestant, dataset_name: str, picture: int, noise: Noise, seed: int, draws: int) -> Spread:
    pixels = dataset(dataset_name).test.pixels[picture]
    return sensitivity.spread(_reconstructor(contestant, dataset_name, noise), pixels, noise, draws, seed)


def _weights(
    contestant: Contestant, dataset_name: str, picture: int, noise: Noise | None, seed: int, pixel: tuple[int, int]
) -> Tensor:
    _, given = _given(dataset_name, (picture,), noise, seed)
    reconstruct = cast(Differentiable, _reconstructor(contestant, dataset_name, noise))
    return sensitivity.within_channels(sensitivity.weights_of(reconstruct, given[0], *pixel))


# ---- the pictures of a page


@st.cache_data(max_entries=512, show_spinner=False)
def thumbnails(dataset_name: str, pictures: tuple[int, ...]) -> list[str]:
    """Each picture as the address of a PNG, for tables."""
    return [png.address(Image.fromarray(png.in_colour(picture))) for picture in originals(dataset_name, pictures)]


@st.cache_data(max_entries=512, show_spinner=False)
def classes(dataset_name: str, pictures: tuple[int, ...]) -> list[str]:
    """The name of each picture's class."""
    named = dataset(dataset_name)
    return [named.classes[label] for label in named.test.labels[list(pictures)].tolist()]


@st.cache_resource(max_entries=64, show_spinner=False)
def _given(dataset_name: str, pictures: tuple[int, ...], noise: Noise | None, seed: int) -> tuple[Tensor, Tensor]:
    """The clean pictures and the noisy ones. All contestants share these tensors: they must not be changed."""
    clean = to_float(dataset(dataset_name).test.pixels[list(pictures)])
    return clean, noisy(clean, noise, seed, pictures)


@st.cache_data(max_entries=512, show_spinner=False)
def originals(dataset_name: str, pictures: tuple[int, ...]) -> Pixels:
    """Test pictures `[N, C, H, W]`."""
    return np.asarray(dataset(dataset_name).test.pixels[list(pictures)].numpy())


def reconstructions(
    contestants: Sequence[Contestant], dataset_name: str, pictures: tuple[int, ...], noise: Noise | None, seed: int
) -> tuple[Scored, dict[str, Scored]]:
    """The noisy pictures and, by key, the output of each contestant, with their scores.

    Contestants that are not instant must have been computed before, by `denoised`.
    """
    context = get_script_run_ctx()

    def output(contestant: Contestant) -> Tensor:
        add_script_run_ctx(ctx=context)
        return _output(contestant, contestant.key, dataset_name, pictures, noise, seed)

    # This thread computes too: if another process uses the other cores, it does not wait for the helpers.
    helped = [_pool.submit(output, contestant) for contestant in contestants[1:]]
    jobs.one_core()
    outputs = [output(contestant) for contestant in contestants[:1]]
    # It takes work from the end, because the helpers begin at the beginning.
    outputs += [
        output(contestant) if future.cancel() else future.result()
        for contestant, future in reversed(list(zip(contestants[1:], helped, strict=True)))
    ][::-1]
    keys = tuple(contestant.key for contestant in contestants)
    given, *scored = _scored(outputs, keys, dataset_name, pictures, noise, seed)
    return given, dict(zip(keys, scored, strict=True))


@st.cache_resource(max_entries=1024, show_spinner=False)
def _output(
    _contestant: Contestant, key: str, dataset_name: str, pictures: tuple[int, ...], noise: Noise | None, seed: int
) -> Tensor:
    """The output of a contestant for the noisy pictures."""
    if not _contestant.is_instant:
        parts = [denoised(_contestant, dataset_name, picture, noise, seed) for picture in pictures]
        return torch.cat([part.result() for part in parts])
    _, given = _given(dataset_name, pictures, noise, seed)
    return _reconstructor(_contestant, dataset_name, noise)(given)


@st.cache_data(max_entries=256, show_spinner=False)
def _scored(
    _outputs: Sequence[Tensor],
    keys: tuple[str, ...],
    dataset_name: str,
    pictures: tuple[int, ...],
    noise: Noise | None,
    seed: int,
) -> list[Scored]:
    """The noisy pictures and the outputs, clipped for display, with their scores against the clean pictures.

    All are scored together: SSIM of many pictures takes little longer than of a few.
    """
    return _shown(*_given(dataset_name, pictures, noise, seed), _outputs)


def once(
    contestants: Sequence[Contestant], dataset_name: str, pictures: tuple[int, ...], noise: Noise | None, seed: int
) -> list[Scored]:
    """The noisy pictures and the output of each contestant, with their scores: as `reconstructions`, but computed in
    this thread and forgotten. For many levels in turn, which would drive out what the pages show.
    """
    jobs.one_core()
    clean = to_float(dataset(dataset_name).test.pixels[list(pictures)])
    given = noisy(clean, noise, seed, pictures)
    return _shown(clean, given, [_reconstructor(contestant, dataset_name, noise)(given) for contestant in contestants])


def _shown(clean: Tensor, given: Tensor, outputs: Sequence[Tensor]) -> list[Scored]:
    everything = torch.cat([given, *outputs])
    table = per_picture(everything, clean.repeat(1 + len(outputs), 1, 1, 1))
    count = len(clean)
    return [
        (_displayed(everything[first : first + count].numpy()), table[first : first + count].reset_index(drop=True))
        for first in range(0, len(everything), count)
    ]


def another_score(
    metric: str,
    contestant: Contestant | None,
    dataset_name: str,
    pictures: tuple[int, ...],
    noise: Noise | None,
    seed: int,
) -> NDArray[np.float64]:
    """One more metric of each output of a contestant, `[N]`; without a contestant, of the noisy pictures."""
    key = contestant.key if contestant else None
    return _another_score(contestant, key, metric, dataset_name, pictures, noise, seed)


@st.cache_data(max_entries=1024, show_spinner=False)
def _another_score(
    _contestant: Contestant | None,
    key: str | None,
    metric: str,
    dataset_name: str,
    pictures: tuple[int, ...],
    noise: Noise | None,
    seed: int,
) -> NDArray[np.float64]:
    jobs.one_core()
    clean, output = _given(dataset_name, pictures, noise, seed)
    if _contestant:
        output = _output(_contestant, _contestant.key, dataset_name, pictures, noise, seed)
    labels = dataset(dataset_name).test.labels[list(pictures)]
    return per_picture(output, clean, (metric,), labels)[metric].to_numpy()


def _displayed(values: NDArray[np.float32]) -> Pixels:
    return np.asarray((values.clip(0, 1) * 255).round().astype(np.uint8))
