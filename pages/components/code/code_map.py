"""The map of codes: every test picture at the place of its code in the plane, drawn by the browser's graphics.

The browser gets the places, and one picture of all pictures by its address; it zooms and moves on its own. It says
which picture was chosen, and which a lasso encloses.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit import runtime

from aecore.data.catalog import EXCERPTS
from aecore.data.index_lists import NumbersError, parse, text_of
from aecore.data.splits import Dataset
from aecore.measuring import maps
from aecore.models.layers import shape_text
from aecore.runs.store import WEIGHTS, Run, StoreError
from aecore.studies.contestants import of_run
from pages.components import cached, jobs, look
from pages.components.browser_parts import newer, packed, part
from pages.components.code import atlas, enclosed, plane
from pages.components.code.atlas import Atlas
from pages.components.code.plane import PCA, UMAP, Near, Plane
from pages.components.explain import explain
from pages.components.links import Page

HEADING = "Map of the codes"
KEY = "code map"
LONGEST = 400  # letters of a list of pictures in the address
_MAP, _PICTURE, _LASSO = "map", "picture", "lasso"  # the choices in the address
# Ten classes need two more than the palette has; a repeated colour has another shape.
COLORS = (*look.PALETTE, "#8A5A2B", "#7B5FC4")
EXPLANATION = (
    "- **Every point is a test picture**, placed by its code alone. Zoomed in so far that they fit, the points become "
    "the pictures.\n"
    "- **PCA** shows the two directions in which the codes vary most. Distances in this plane are never larger than "
    "those between the codes. **UMAP** keeps neighbours together; its axes, the distances between groups and the "
    f"density mean little. It is computed from the first {maps.COMPONENTS} principal components, with "
    f"{maps.NEIGHBOURS} neighbours, a least distance of {maps.LEAST_DISTANCE:g} and a fixed seed.\n"
    "- **Choose a picture** to see which pictures are nearest to it: by the Euclidean distance of the whole codes, and "
    "by that of the pixels. Lines lead to the nearest codes: where they are long, the plane shows less than the "
    "code holds. A code that only copies pixels has the same neighbours as they.\n"
    "- **By hand**: drag to move, turn the wheel or pinch to zoom, drag with Shift for a lasso. **By keys**, once the "
    "map has the focus: + and − zoom, 0 shows all, the arrows move; with Shift they go from picture to picture, "
    "and Enter chooses the one they are at."
)

_component = part("code_map", Path(__file__).parent, "drawing")


@dataclass(frozen=True, eq=False)
class Shown:
    """What is on the map of a run's codes: the first test pictures of `data` in a `plane`, with their PSNRs `[N]`.

    One `picture` may be chosen; those of the `lasso` are enclosed.
    """

    run: Run
    data: Dataset
    projection: str
    plane: Plane
    psnr: NDArray[np.float32]
    picture: int | None
    lasso: tuple[int, ...]

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.psnr)


@st.fragment
def show(page: Page, run: Run, dataset_name: str) -> None:
    """The map of a run's codes of the test pictures of a data set, and what was chosen on it."""
    controls, drawn, progress, below = (st.container() for _ in range(4))  # see `jobs.watch`
    if run.spec.architecture.code is None:
        controls.info("This model has no code: a skip connection bypasses every layer.", icon=":material/info:")
        return
    data = cached.dataset(dataset_name)
    count = plane.count_of(run, data)
    with controls, st.container(horizontal=True, vertical_alignment="bottom"):
        projection = _projection(page)
        picture = _picture(page, count)
    lasso = _lasso(page, count)
    contestant = of_run(run)
    job = plane.begun(contestant, dataset_name, projection)
    _, planes, late = jobs.collect(KEY, {contestant.key: job}, [contestant])
    with progress:
        jobs.watch(late, _waiting(projection, count))
    if contestant.key not in planes:
        return
    try:
        errors = psnr(run, dataset_name, count)
    except StoreError as error:
        drawn.error(str(error), icon=":material/broken_image:")
        return
    shown = Shown(run, data, projection, planes[contestant.key], errors, picture, lasso)
    with drawn:
        _draw(page, shown)
    with below:
        enclosed.show(run, data, shown.lasso, errors)
        explain("How to read the map", EXPLANATION)


def _projection(page: Page) -> str:
    options = [PCA, UMAP] if maps.has_umap() else [PCA]
    chosen = page.segments("Projection", options, _MAP)
    if len(options) == 1:
        st.caption(maps.REMEDY, width="content")
    return chosen


def _picture(page: Page, count: int) -> int | None:
    """The picture that is chosen, on the map or by its number."""
    key = page.key(_PICTURE)
    if (before := st.session_state.get(key)) is not None and not 0 <= before < count:
        st.session_state[key] = None  # it was one of another data set
    number = st.number_input(
        "Picture",
        0,
        count - 1,
        None,
        key=key,
        bind="query-params",
        placeholder="Number",
        width=150,
        help="The number of a test picture, or choose one on the map.",
    )
    return None if number is None else int(number)


def _waiting(projection: str, count: int) -> str:
    if projection == UMAP:
        return f"UMAP of {count:,} codes takes about half a minute the first time; maps done"
    return f"Encoding {count:,} pictures; maps done"


def _lasso(page: Page, count: int) -> tuple[int, ...]:
    """The pictures that the lasso encloses, in the address where they are few."""
    key = page.key(_LASSO)
    text = st.session_state.setdefault(key, st.query_params.get(key))
    try:
        return parse(text or "", below=count, most=count, what="picture")
    except NumbersError:
        st.session_state[key] = None  # so that `Page.note` names what a link asked for
        return ()


def _keep(page: Page) -> Callable[[], None]:
    """What notes a choice on the map before the page is drawn again."""

    def choose() -> None:
        asked = _asked("chosen")
        number = asked.get("picture")
        st.session_state[page.key(_PICTURE)] = number if isinstance(number, int) and number >= 0 else None

    return choose


def _keep_lasso(page: Page) -> Callable[[], None]:
    def choose() -> None:
        pictures = [number for number in _asked("lasso").get("pictures", ()) if isinstance(number, int)]
        key, text = page.key(_LASSO), text_of(pictures)
        st.session_state[key] = text
        if text and len(text) <= LONGEST:
            st.query_params[key] = text
        else:
            st.query_params.pop(key, None)

    return choose


def _asked(name: str) -> dict[str, Any]:
    asked: Any = (st.session_state.get(KEY) or {}).get(name)
    return asked if isinstance(asked, dict) else {}


def psnr(run: Run, dataset_name: str, count: int) -> NDArray[np.float32]:
    """The PSNR of the first test pictures, `[count]`, under the noise that the run was trained with; NaN where none is
    known."""
    scores = cached.stored_scores(run, dataset_name)
    by_picture = pd.Series(scores["psnr"].to_numpy(), scores["picture"].to_numpy())
    return by_picture.reindex(range(count)).to_numpy(np.float32)


# ---- what the browser gets


def _draw(page: Page, shown: Shown) -> None:
    run, data, picture = shown.run, shown.data, shown.picture
    sheet = _atlas(data.name, data.fingerprint, shown.count)
    near, tiles = (None, b"") if picture is None else _neighbours(shown, picture)
    header = {
        "map": f"{run.digest(WEIGHTS)} {data.fingerprint} {shown.projection}",
        "about": _about(shown),
        "axes": _axes(shown.plane, shown.projection),
        "classes": data.classes,
        "colors": COLORS,
        "count": shown.count,
        "atlas": _address(sheet.file),
        "columns": sheet.columns,
        "tile": [sheet.width, sheet.height],
        "picture": [data.shape[2], data.shape[1]],
        "chosen": picture,
        "near": near,
        "lasso": shown.lasso,
    }
    labels = data.test.labels[: shown.count].numpy().astype("<u2")
    numbers = (shown.plane.places.astype("<f4"), shown.psnr.astype("<f4"), labels)
    content = [*(part.tobytes() for part in numbers), tiles]
    header["number"] = newer(KEY, json.dumps(header), *content)
    _component(
        key=KEY,
        data=packed(header, *content),
        default={"chosen": None, "lasso": None},
        on_chosen_change=_keep(page),
        on_lasso_change=_keep_lasso(page),
    )


def _about(shown: Shown) -> str:
    """Whose codes these are, and of which pictures."""
    data, spec = shown.data, shown.run.spec
    name, code = look.dataset(data.name), spec.architecture.code
    first = "the first " if shown.count < len(data.test) else ""
    pictures = name if data.name in EXCERPTS and not first else f"{first}{shown.count:,} test pictures of {name}"
    noise = f", under the noise of its training, {look.noise(spec.recipe.noise)}" if spec.recipe.noise else ""
    assert code
    return f"Codes of {look.label(spec)} ({shape_text(code.output_shape)} numbers): {pictures}{noise}"


def _axes(places: Plane, projection: str) -> list[str]:
    if projection == UMAP:
        return ["UMAP 1", "UMAP 2"]
    names = ("1st principal component", "2nd principal component")
    return [f"{name}: {share:.1%} of the variance" for name, share in zip(names, places.shares, strict=False)]


def _neighbours(shown: Shown, picture: int) -> tuple[list[dict[str, Any]], bytes]:
    """The nearest pictures in code and pixels, in words and numbers; and a strip of the chosen one and all of them."""
    data = shown.data
    spaces = {
        "codes": plane.near_code(of_run(shown.run), data.name, picture),
        "pixels": plane.near_pixels(data.name, shown.count, picture),
    }
    pictures = (picture, *(other for near in spaces.values() for other in near.pictures))
    return (
        [_described(what, near, data, picture) for what, near in spaces.items()],
        atlas.strip(cached.originals(data.name, pictures)),
    )


def _described(what: str, near: Near, data: Dataset, picture: int) -> dict[str, Any]:
    alike, count = near.alike(data.test.labels, picture), len(near.pictures)
    sentence = f"{alike} of {count} share the class" if len(data.classes) > 1 else ""
    return {
        "title": f"Nearest {what}, by Euclidean distance",
        "sentence": sentence,
        "pictures": near.pictures,
        "distances": _aligned(near.distances),
    }


def _aligned(distances: Sequence[float]) -> list[str]:
    """Distances with as many decimals each, so that the largest has three digits."""
    decimals = max(0, 2 - math.floor(math.log10(max(distances, default=1) or 1)))
    return [f"{distance:.{decimals}f}" for distance in distances]


@st.cache_resource(max_entries=2, show_spinner="Laying out the pictures")
def _atlas(dataset_name: str, fingerprint: str, count: int) -> Atlas:
    return atlas.atlas(cached.dataset(dataset_name).test.pixels[:count].numpy())


def _address(file: bytes) -> str:
    """Where the browser fetches the atlas from; the address stays as long as its content does."""
    if not runtime.exists():  # a test without a server
        return "/no-server"
    return runtime.get_instance().media_file_mgr.add(file, "image/webp", "atlas of pictures")
