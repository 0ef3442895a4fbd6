"""A code that one changes by hand, while the decoder in the browser shows what becomes of the picture."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

import numpy as np
import streamlit as st
from torch import Tensor

from aecore.data import catalog
from aecore.measuring import codes, units
from aecore.measuring.directions import Directions
from aecore.measuring.units import Activity
from aecore.models.reconstructor import Coder
from aecore.runs.execution import SCORING_SEED
from aecore.runs.store import WEIGHTS, Run
from aecore.studies.contestants import Contestant, of_run
from pages.app import browser_packages, model_route
from pages.app.pages import CODE
from pages.components import cached, errors, jobs
from pages.components.browser_parts import newer, packed
from pages.components.explain import explain
from pages.components.lens.component import COMPONENTS
from pages.components.lens.live import RUNTIME

HEADING = "Change the code and watch the decoder"
PICTURES = 12  # to choose from
MEASURED = 1000  # test pictures that the mean and spread of a unit are taken over
DIRECTIONS = 8
MOST_NUMBERS = 16_384  # of a code that is sent: a dozen codes are 800 kB then
_READING = """
Between the encoder and the decoder a picture is nothing but its **code**. Each square is a unit of it: a number, or a
channel with its map. Choose a unit and move it by its standard deviations over the test pictures, or set it to zero,
and the decoder shows at once what the unit stands for. A **direction** is a principal component of the code: units
that change together from picture to picture; beside it stands its share of the variance. **From A to B** slides from
the code of one picture to that of another. Where the pictures in between look like a fade of A into B, the code is
little more than a smaller picture.
"""


@dataclass(frozen=True)
class _Measured:
    """Facts on the units of a code, the codes of some pictures `[N, …]`, and what is decoded of them."""

    directions: Directions
    codes: Tensor
    decoded: Tensor


def is_shown(run: Run) -> bool:
    """Whether a run has a code of a size that can be sent, weights, and pictures to encode."""
    code = run.spec.architecture.code_size
    return bool(code and code <= MOST_NUMBERS and not run.is_light and _dataset(run))


def _dataset(run: Run) -> str | None:
    shape = run.spec.architecture.input_shape
    name = catalog.here(run.spec.dataset) or catalog.embedded(shape)
    return name if name and cached.dataset(name).shape == shape else None


@st.fragment
def show(run: Run) -> None:
    """The code of a dozen test pictures, which are those of the run's data set or embedded ones."""
    bench, progress = st.container(), st.container()
    name = _dataset(run)
    assert name, "asked before"
    contestant = of_run(run)
    content = f"{run.digest(WEIGHTS)} {cached.dataset(name).fingerprint}"
    job: Future[_Measured] = jobs.begun("quick", _measured, contestant, name, content)
    _, measured, late = jobs.collect(f"live code of {run.key}", {contestant.key: job}, [contestant])
    with bench:
        if measured:
            _draw(run, name, measured[contestant.key])
            explain("How to read the code", _READING)
    with progress:
        jobs.watch(late, f"Encoding {MEASURED:,} test pictures")


def _measured(contestant: Contestant, dataset_name: str, content: str) -> _Measured:
    model = cast(Coder, cached.reconstructor(contestant, dataset_name, None))
    pixels = cached.dataset(dataset_name).test.pixels[:MEASURED]
    noise = contestant.trained_under
    activity = Activity.of(codes.in_batches(model, pixels, noise, SCORING_SEED))
    # Of clean pictures, so that the picture beside the decoder's is what went in.
    own = next(codes.in_batches(model, pixels[:PICTURES]))
    return _Measured(Directions.of(activity, DIRECTIONS), own, model.decode(own))


def _draw(run: Run, dataset_name: str, measured: _Measured) -> None:
    pictures = tuple(range(len(measured.codes)))
    shape = tuple(measured.codes.shape[1:])
    count = units.count(shape)
    along = measured.directions
    is_flat = len(shape) == 1
    low, high = (-3.0, 3.0) if is_flat else np.quantile(measured.codes.numpy(), (0.005, 0.995)).tolist()
    missing = browser_packages.missing("Live code")
    decoder = model_route.address(run, "decoder")
    header = {
        "key": run.key,
        "shape": run.spec.architecture.input_shape,
        "code": shape,
        "units": count,
        "positions": int(np.prod(shape[1:], dtype=int)),
        "map": shape[1:] or (1, 1),
        "isFlat": is_flat,
        "unitName": "Unit" if is_flat else "Channel",
        "kind": units.in_words(shape),
        "first": int(along.spread.argmax()),
        "rows": [
            f"{name} #{picture}" for name, picture in zip(cached.classes(dataset_name, pictures), pictures, strict=True)
        ],
        "directions": [
            {"share": f"{share:.0%}", "deviation": deviation}
            for share, deviation in zip(along.shares.tolist(), along.deviations.tolist(), strict=True)
        ],
        "low": low,
        "high": max(high, low + 1e-6),
        "table": errors.table("absolute").ravel().tolist(),
        "decoder": decoder,
        "runtime": RUNTIME if decoder and not missing else None,
        "missing": missing or ("" if decoder else "The decoder is too large for the browser."),
        "page": f"/{CODE.url}?{urlencode({'c-run': run.name})}&c-unit=",
    }
    numbers = (measured.codes, along.mean, along.spread, along.axes)
    pixels = cached.originals(dataset_name, pictures)
    decoded = np.asarray((measured.decoded.clamp(0, 1) * 255).round().byte())
    content = [np.ascontiguousarray(part, np.float32).tobytes() for part in numbers]
    content += [pixels.tobytes(), decoded.tobytes()]
    header["number"] = newer("live code", json.dumps(header), *content)
    COMPONENTS["code"](key="live-code", data=packed(header, *content))
