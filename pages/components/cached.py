"""The only caches of the dashboard. Each is keyed on names and numbers, never on pixels, and bounded."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
import streamlit as st
import torch
from numpy.typing import NDArray
from PIL import Image
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx
from torch import Tensor

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Dataset, Split, to_float
from aecore.measuring import scoring
from aecore.models.reconstructor import Reconstructor
from aecore.reconstructors import denoisers
from aecore.reconstructors.denoisers import METHODS, Denoiser
from aecore.reconstructors.trained import Model
from aecore.runs import store
from aecore.runs.store import Store
from aecore.studies import sensitivity
from aecore.studies.sensitivity import Spread
from pages.components import png

Pixels = NDArray[np.uint8]
Scored = tuple[Pixels, pd.DataFrame]  # pictures `[N, C, H, W]`, and a row of scores for each


def _one_core() -> None:
    """Have torch compute on one core in this thread: it keeps the number for each, and every run of a script has a new
    one.

    A dozen pictures take milliseconds. On more cores torch's threads would wait for each other whenever another
    session or a training run holds one: hundreds of milliseconds.
    """
    torch.set_num_threads(1)


@dataclass
class _Lease:
    """When, by the clock that only goes forward, a piece of background work was asked for last, and when it ended."""

    asked: float
    ended: float = inf


_HELPERS = max(1, (os.cpu_count() or 1) - 1)
_pool = ThreadPoolExecutor(_HELPERS, initializer=_one_core)
# Where seconds are computed that no page should wait for, side by side so that none holds up the quick ones: slow
# methods, many draws of these, and what waits for a fit.
_background = {lane: ThreadPoolExecutor(1, initializer=_one_core) for lane in ("quick", "fitted", "slow", "slow draws")}
FORGIVEN = 60  # seconds after which what failed is tried again: what it lacked may be there by now
_WANTED = 10  # seconds that what waits for its turn is kept for a page that no longer asks for it
_leases: WeakKeyDictionary[Future[Any], _Lease] = WeakKeyDictionary()
# What `model` sets apart is let go in order when the process ends.
atexit.register(gc.unfreeze)


@st.cache_resource(max_entries=4, show_spinner="Reading the pictures")
def dataset(name: str) -> Dataset:
    """A data set, read once for every session."""
    found = datasets.load(name)
    # Read here, under this spinner: a damaged data set must be told where it is picked.
    _ = found.test
    return found


@st.cache_resource(max_entries=64, show_spinner="Loading the model")
def model(key: str) -> Model:
    """A trained model, by the key of its run."""
    loaded = store.load(key)
    # Streamlit looks for garbage after every run of a script. Modules and models never become any: to look through them
    # each time takes a quarter of a second.
    gc.freeze()
    return loaded


@st.cache_data(max_entries=64)
def history(key: str) -> pd.DataFrame:
    """The loss curves of a run."""
    return Store().find(key).history()


@st.cache_data(max_entries=64, show_spinner="Measuring the model on the test pictures")
def test_scores(key: str, dataset_name: str) -> pd.DataFrame:
    """A row a test picture, under the noise that the run was trained with: its own scores, or measured anew on a
    data set that it was not trained for."""
    run = Store().find(key)
    if run.spec.dataset == dataset_name:
        return run.scores()
    return _measured(key, dataset(dataset_name).test, run.spec.recipe.noise, 0)


# ---- classical methods, and what else takes seconds


def denoised(name: str, dataset_name: str, picture: int, noise: Noise, seed: int) -> Future[Tensor]:
    """A test picture `[1, C, H, W]` by a classical method, begun in the background."""
    return _begun(_denoise, name, dataset_name, picture, noise, seed)


def spread(key: str, dataset_name: str, picture: int, noise: Noise, seed: int, draws: int) -> Future[Spread]:
    """A run's model or a method on one test picture under so many draws of the noise, begun in the background."""
    return _begun(_spread, key, dataset_name, picture, noise, seed, draws)


def weights(
    key: str, dataset_name: str, picture: int, noise: Noise, seed: int, row: int, column: int
) -> Future[Tensor]:
    """With which weights a run's model, or a linear method, averages the pixels `[H, W]` of a noisy test picture into
    one: those of each channel on itself, averaged. Begun in the background."""
    return _begun(_weights, key, dataset_name, picture, noise, seed, row, column)


def scores_of(key: str, dataset_name: str, noise: Noise, seed: int, most: int) -> Future[pd.DataFrame]:
    """A row a picture for the first `most` test pictures, of a run's model or a method; begun in the background."""
    return _begun(_score, key, dataset_name, noise, seed, most)


def still_wanted(jobs: Iterable[Future[Any]]) -> None:
    """Keep what waits for its turn from being given up: a page that waits for it says so every few seconds."""
    for job in jobs:
        if lease := _leases.get(job):
            lease.asked = monotonic()


def given_up(job: Future[Any]) -> bool:
    """Whether it will not be done: cancelled by a page that moved on, or left alone by one that was closed."""
    return job.done() and (job.cancelled() or isinstance(job.exception(), CancelledError))


def _is_over(job: Future[Any]) -> bool:
    """Whether it must be begun anew to have anything of it: given up, or failed long ago."""
    if not job.done():  # asked first, as another session may cancel it at any moment until then
        return False
    return given_up(job) or (bool(job.exception()) and monotonic() - _leases[job].ended >= FORGIVEN)


def _begun(work: Callable[..., Any], key: str, *facts: object) -> Future[Any]:
    job = _job(work, work.__name__, key, *facts)
    still_wanted([job])
    if _is_over(job):
        _job.clear(work, work.__name__, key, *facts)
        job = _job(work, work.__name__, key, *facts)
    return job


@st.cache_resource(max_entries=2048, show_spinner=False)
def _job(_work: Callable[..., Any], work: str, key: str, *facts: object) -> Future[Any]:
    lease = _Lease(monotonic())
    job = _background[_lane(work, key)].submit(_if_wanted, lease, _work, key, *facts)
    _leases[job] = lease
    return job


def _if_wanted(lease: _Lease, work: Callable[..., Any], *facts: object) -> Any:
    if monotonic() - lease.asked > _WANTED:
        raise CancelledError
    try:
        return work(*facts)
    finally:
        lease.ended = monotonic()


def _lane(work: str, key: str) -> str:
    method = METHODS.get(key)
    if method and method.slow:
        return "slow draws" if work == _spread.__name__ else "slow"
    return "fitted" if method and method.linear else "quick"


def _denoise(name: str, dataset_name: str, picture: int, noise: Noise, seed: int) -> Tensor:
    _, given = _given(dataset_name, (picture,), noise, seed)
    return _method(name, dataset_name, noise)(given)


def _spread(key: str, dataset_name: str, picture: int, noise: Noise, seed: int, draws: int) -> Spread:
    pixels = dataset(dataset_name).test.pixels[picture]
    return sensitivity.spread(_denoiser(key, dataset_name, noise), pixels, noise, draws, seed)


def _weights(key: str, dataset_name: str, picture: int, noise: Noise, seed: int, row: int, column: int) -> Tensor:
    _, given = _given(dataset_name, (picture,), noise, seed)
    found = (
        sensitivity.weights_of_linear(_method(key, dataset_name, noise), given[0], row, column)
        if key in METHODS
        else sensitivity.weights_of(model(key), given[0], row, column)
    )
    return sensitivity.own_channel(found)


def _score(key: str, dataset_name: str, noise: Noise, seed: int, most: int) -> pd.DataFrame:
    test = dataset(dataset_name).test
    split = Split(test.pixels[:most], test.labels[:most])
    return pd.concat(scoring.score(_denoiser(key, dataset_name, noise), split, noise, seed), ignore_index=True)


def _denoiser(key: str, dataset_name: str, noise: Noise) -> Reconstructor:
    return _method(key, dataset_name, noise) if key in METHODS else model(key)


# Few of them: the Wiener filter of CIFAR-10 is 38 MB.
@st.cache_resource(max_entries=4, show_spinner=False)
def _method(name: str, dataset_name: str, noise: Noise) -> Denoiser:
    return denoisers.prepare(name, dataset(dataset_name), noise, Store().root)


@st.cache_data(max_entries=64, show_spinner="Measuring the model under this noise")
def scores_under(key: str, dataset_name: str, noise: Noise, seed: int, most: int) -> pd.DataFrame:
    """A row a picture for the first `most` test pictures under `noise`."""
    test = dataset(dataset_name).test
    return _measured(key, Split(test.pixels[:most], test.labels[:most]), noise, seed)


def _measured(key: str, split: Split, noise: Noise | None, seed: int) -> pd.DataFrame:
    _one_core()
    return pd.concat(scoring.score(model(key), split, noise, seed), ignore_index=True)


@st.cache_data(max_entries=512, show_spinner=False)
def thumbnails(dataset_name: str, pictures: tuple[int, ...]) -> list[str]:
    """Each picture as the address of a PNG, for tables."""
    whole = originals(dataset_name, pictures)
    # A grey picture has one channel, which stands for all three.
    colour = np.broadcast_to(whole, (len(whole), 3, *whole.shape[2:])).transpose(0, 2, 3, 1)
    return [png.address(Image.fromarray(picture)) for picture in np.ascontiguousarray(colour)]


@st.cache_data(max_entries=512, show_spinner=False)
def classes(dataset_name: str, pictures: tuple[int, ...]) -> list[str]:
    """The name of each picture's class."""
    found = dataset(dataset_name)
    return [found.classes[label] for label in found.test.labels[list(pictures)].tolist()]


@st.cache_resource(max_entries=64, show_spinner=False)
def _given(dataset_name: str, pictures: tuple[int, ...], noise: Noise, seed: int) -> tuple[Tensor, Tensor]:
    """The clean pictures and the noisy ones, once for all models; nobody may change them."""
    clean = to_float(dataset(dataset_name).test.pixels[list(pictures)])
    return clean, noisy(clean, noise, seed, pictures)


@st.cache_data(max_entries=512, show_spinner=False)
def originals(dataset_name: str, pictures: tuple[int, ...]) -> Pixels:
    """Test pictures `[N, C, H, W]`."""
    return np.asarray(dataset(dataset_name).test.pixels[list(pictures)].numpy())


def reconstructions(
    keys: Sequence[str], dataset_name: str, pictures: tuple[int, ...], noise: Noise, seed: int
) -> tuple[Scored, dict[str, Scored]]:
    """The noisy pictures, and what each run's model makes of them, with their scores."""
    context = get_script_run_ctx()
    left = iter(tuple(keys))  # every thread takes the next of it

    def compute() -> None:
        add_script_run_ctx(ctx=context)
        for key in left:
            _output(key, dataset_name, pictures, noise, seed)

    # This thread computes as well: where another process holds the other cores, it waits for nobody.
    helpers = [_pool.submit(compute) for _ in range(min(_HELPERS, len(keys) - 1))]
    _one_core()
    compute()
    for helper in helpers:
        if not helper.cancel():
            helper.result()
    given, *outputs = _scored((None, *keys), dataset_name, pictures, noise, seed)
    return given, dict(zip(keys, outputs, strict=True))


@st.cache_resource(max_entries=1024, show_spinner=False)
def _output(key: str | None, dataset_name: str, pictures: tuple[int, ...], noise: Noise, seed: int) -> Tensor:
    """What the run's model, or a classical method, makes of the noisy pictures; without a key, these."""
    if key in METHODS:
        return torch.cat([denoised(key, dataset_name, picture, noise, seed).result() for picture in pictures])
    _, given = _given(dataset_name, pictures, noise, seed)
    return given if key is None else model(key)(given)


@st.cache_data(max_entries=256, show_spinner=False)
def _scored(
    keys: tuple[str | None, ...], dataset_name: str, pictures: tuple[int, ...], noise: Noise, seed: int
) -> list[Scored]:
    """Clipped for display, and the scores against the clean pictures, of all together: SSIM of many pictures at once
    takes little more than of a few."""
    clean, _ = _given(dataset_name, pictures, noise, seed)
    outputs = torch.cat([_output(key, dataset_name, pictures, noise, seed) for key in keys])
    table = scoring.per_picture(outputs, clean.repeat(len(keys), 1, 1, 1))
    count = len(pictures)
    return [
        (_displayed(outputs[first : first + count].numpy()), table[first : first + count].reset_index(drop=True))
        for first in range(0, len(outputs), count)
    ]


@st.cache_data(max_entries=1024, show_spinner=False)
def another_score(
    metric: str, key: str | None, dataset_name: str, pictures: tuple[int, ...], noise: Noise, seed: int
) -> NDArray[np.float64]:
    """One more metric of each picture that the run's model gives back, `[N]`; without a key, of the noisy ones."""
    _one_core()
    clean, _ = _given(dataset_name, pictures, noise, seed)
    output = _output(key, dataset_name, pictures, noise, seed)
    return scoring.per_picture(output, clean, (metric,))[metric].to_numpy()


def _displayed(values: NDArray[np.float32]) -> Pixels:
    return np.asarray((values.clip(0, 1) * 255).round().astype(np.uint8))
