"""A view of Compare or Denoise as one HTML file, which works offline: its pictures still follow the noise slider.

Where every model runs in a browser, the file holds the models and ONNX Runtime Web. Otherwise, or where that would be
too large, it holds the pictures at a series of levels.
"""

from __future__ import annotations

import base64
import gzip
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cache, lru_cache, partial
from html import escape
from pathlib import Path
from string import Template
from threading import Lock
from typing import Any

from aecore import AecoreError
from aecore.data.catalog import CROPS, EXCERPTS
from aecore.data.noise import KINDS
from aecore.measuring.totals import psnr_text
from aecore.runs.store import WEIGHTS
from aecore.studies.contestants import Contestant
from pages.app import browser_packages, model_route
from pages.app.pages import ICON
from pages.components import amounts, downloads, entries, errors, look
from pages.components.downloads import File
from pages.components.lens import component, live, recording, sheets
from pages.components.lens.recording import Recording, Scene
from pages.components.lens.sheets import Sheet
from pages.components.lineup import Lineup
from pages.components.pickers import GivenNoise

MOST = 25_000_000  # bytes of a file
_AROUND = 250_000  # bytes of it for scripts and texts, at most
_BASE64 = 3 / 4  # bytes per letter
_PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"
_saving = Lock()  # one file at a time, whoever clicks
_HEADS = ("Name", "What it is", "How it was trained", "Parameters", "Code", "Test PSNR", "Key")
_SHORT = _HEADS[3:]
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass(frozen=True)
class _Parts:
    """What follows the slider: entries of the sheet's `live`, the kinds of noise, and compressed bytes by address.

    The `note` says how, and `credits` whose work that is.
    """

    follows: Mapping[str, Any]
    kinds: Sequence[Mapping[str, Any]]
    data: Mapping[str, bytes]
    note: str
    credits: str = ""


@dataclass(frozen=True)
class Saved:
    """What a page shows: its `title`, the `lineup` and its `sheet`, and where the noise is."""

    title: str
    lineup: Lineup
    sheet: Sheet
    given: GivenNoise

    @property
    def scene(self) -> Scene:
        """Its pictures and noise, at any level."""
        return Scene(self.lineup.dataset_name, self.lineup.indices, self.given.kind, self.given.seed)

    @property
    def contestants(self) -> Sequence[Contestant]:
        """The contestants whose pictures it holds."""
        return self.lineup.ready


def button(saved: Saved, name: str) -> None:
    """A button that saves the page under this `name`."""
    downloads.button(
        "Page",
        File(name, "text/html", partial(file, saved)),
        help="The sheet with its noise slider as one HTML file that works offline, once every model is done. It takes "
        "some seconds",
        disabled=bool(saved.lineup.late),
    )


def file(saved: Saved) -> bytes:
    """The file, with models that run in it or with recorded pictures."""
    with _saving:
        return with_models(saved) or with_recording(saved)


def with_models(saved: Saved) -> bytes | None:
    """The file with the models and what runs them; None where it lacks one of them, or would be too large."""
    quick = [contestant for contestant in saved.contestants if not (contestant.is_slow or contestant.tunes)]
    folder, models = browser_packages.folder(), dict[str, bytes]()
    if not quick or folder is None:
        return None
    room = (MOST - _AROUND) * _BASE64
    for contestant in quick:
        run = contestant.run
        if run is None or model_route.address(run) is None:
            return None
        try:
            models[contestant.key] = _compressed(run.key, run.digest(WEIGHTS))
        except AecoreError:
            return None
        if sum(map(len, models.values())) > room:
            return None
    addresses = {key: f"#model-{place}" for place, key in enumerate(models)}
    data = {addresses[key]: content for key, content in models.items()}
    data |= {
        "#runtime": (folder / f"{browser_packages.WASM}.gz").read_bytes(),
        "#machine-code": (folder / f"{browser_packages.WASM_BINARY}.gz").read_bytes(),
    }
    follows = {"models": addresses, "runtime": {"wasm": {"module": "#runtime", "wasm": "#machine-code"}}}
    kinds = [_kind(kind, recording.steps(kind, 1, _level_of(saved, kind))) for kind in KINDS]
    how = "The models run in this page, so the pictures follow the slider."
    credits = f"The models run in {browser_packages.PIN} (Microsoft, MIT licence)."
    content = _page(saved, _Parts(follows, kinds, data, _sentences(saved, quick, how), credits))
    return content if len(content) <= MOST else None


@lru_cache(maxsize=4)
def _compressed(key: str, digest: str) -> bytes:
    # The digest as an address has it, so that the server exports the model once.
    return gzip.compress(model_route.exported(key, digest[:16], "model"), mtime=0)


def with_recording(saved: Saved, recorded: Recording | None = None, made: str | None = None) -> bytes:
    """The file with recorded pictures: those that are given, or as many levels as fit and take little time.

    `made` says where the file comes from; without it, that it was saved today.
    """
    if recorded is None:
        others = len(gzip.compress(sheets.pixels(saved.sheet), 1))
        room = int((MOST - _AROUND) * _BASE64) - others
        recorded = recording.fitting(saved.scene, saved.contestants, saved.given.level, room)
    address = "#recording"
    follows = {
        "models": {contestant.key: contestant.key for contestant in recorded.recorded},
        "runtime": {},
        "recording": address,
    }
    kinds = [_kind(saved.given.kind, recorded.levels)]
    count = len(recorded.levels)
    how = f"The pictures were computed beforehand, at {count} levels of the noise." if count > 1 else ""
    data = {address: recorded.content}
    return _page(saved, _Parts(follows, kinds, data, _sentences(saved, recorded.recorded, how)), made)


def _sentences(saved: Saved, following: Sequence[Contestant], how: str) -> str:
    """How the pictures follow the slider, and which ones do not."""
    keys = {contestant.key for contestant in following}
    others = [contestant.label for contestant in saved.contestants if contestant.key not in keys]
    if not others:
        return how
    verb = "takes" if len(others) == 1 else "take"
    rest = f"{look.listed(others)} {verb} long to compute, and can be seen only at {_level(saved.given)}."
    return f"{how} {rest}".strip()


def _kind(kind: str, levels: Sequence[float]) -> dict[str, Any]:
    """A kind of noise that can be chosen, and the levels between which the slider moves."""
    rule = KINDS[kind]
    return {"kind": kind, "title": rule.title, "unit": rule.unit, "lowest": rule.lowest, "levels": levels}


def _level_of(saved: Saved, kind: str) -> float:
    """The level that the slider must reach exactly, since the server's pictures are of it."""
    return saved.given.level if kind == saved.given.kind else 0.0


def _page(saved: Saved, parts: _Parts, made: str | None = None) -> bytes:
    followed = {
        "saved": True,
        "slider": "#noise",
        **live.noise_of(saved.given, saved.lineup.indices),
        **parts.follows,
    }
    columns = [column for column in saved.sheet.columns if not column.computing]
    sheet = replace(saved.sheet, columns=columns, picked=None, live=followed)
    shown = {
        "header": sheets.described(sheet),
        "kinds": parts.kinds,
        "colours": {view: colours for view in errors.VIEWS if (colours := sheets.colours(view))},
        "style": (component.FOLDER / "lens.css").read_text(),
    }
    data = {**parts.data, "#pixels": gzip.compress(sheets.pixels(sheet), mtime=0)}
    return (
        Template((component.FOLDER / "saved.html").read_text())
        .substitute(
            title=escape(saved.title),
            lead=escape(_lead(saved)),
            icon=_address(ICON.read_bytes(), "image/png"),
            style=(component.FOLDER / "saved.css").read_text().strip(),
            hidden=" hidden" if max(len(kind["levels"]) for kind in parts.kinds) == 1 else "",
            kinds="".join(f"<option>{escape(kind['title'])}</option>" for kind in parts.kinds),
            views="".join(_choice(view, sheet.view) for view in errors.VIEWS),
            note=escape(parts.note),
            heads="".join(_cell(name, name, "th") for name in _HEADS),
            models="\n".join(_row(contestant) for contestant in saved.contestants),
            origin=escape(" ".join(filter(None, [_origin(saved, made), parts.credits]))),
            data="\n".join([_json(shown), *(_held(address, content) for address, content in data.items())]),
            scripts=_in_html(component.scripts(*component.SHEETS, "recording", "saved")),
        )
        .encode()
    )


def _lead(saved: Saved) -> str:
    count, models = len(saved.lineup.indices), len(saved.contestants)
    name = saved.lineup.dataset_name
    whole = EXCERPTS[name].whole if name in EXCERPTS else name
    pictures = f"{_counted(count, 'picture' if name in CROPS else 'test picture')} of {look.dataset(whole)}"
    return (
        f"{pictures[0].upper()}{pictures[1:]}, and what {_counted(models, 'method')} make{'s' * (models == 1)} of them "
        f"at each level of the noise. Under each name: the pooled PSNR of these pictures; higher is better."
    )


def _counted(count: int, what: str) -> str:
    return f"{_NUMBERS[count] if count < len(_NUMBERS) else count} {what}{'s' * (count != 1)}"


def _level(given: GivenNoise) -> str:
    return f"{KINDS[given.kind].unit} {given.level:g}"


def _choice(view: str, chosen: str) -> str:
    checked = " checked" if view == chosen else ""
    return f'<label><input type="radio" name="view" value="{escape(view)}"{checked}>{escape(view)}</label>'


def _row(contestant: Contestant) -> str:
    run = contestant.run
    mark = f'<i style="background: {look.style(contestant).color}"></i>'
    name = f"{mark}{escape(contestant.label)}"
    if run is None:
        cells = [name, escape(contestant.story), escape(contestant.knowledge), "", "", "", ""]
    else:
        architecture, recipe = run.spec.architecture, run.spec.recipe
        noise = f" under {look.noise(recipe.noise)}" if recipe.noise else ""
        cells = [
            name,
            f"<code>{escape(str(architecture))}</code>",
            escape(entries.in_short(run.spec, named=look.dataset)),
            f"{architecture.parameters:,}",
            amounts.code(architecture),
            escape(psnr_text(run.totals.psnr_pooled) + noise),
            f"<code>{run.key[:12]}</code>",
        ]
    return f"<tr>{''.join(_cell(name, cell) for name, cell in zip(_HEADS, cells, strict=True))}</tr>"


def _cell(column: str, cell: str, tag: str = "td") -> str:
    # On a narrow screen the name of a column stands before each of its numbers.
    named = f' class="number" data-name="{column}"' if column in _SHORT and cell else ""
    return f"<{tag}{named}>{cell}</{tag}>"


def _origin(saved: Saved, made: str | None) -> str:
    made = made or f"Saved on {date.today():%-d %B %Y} with version {_version()} of Autoencoders side by side."
    numbers = ", ".join(map(str, saved.lineup.indices))
    return (
        f"{made} Pictures {numbers}; noise seed {saved.given.seed}. A key is the beginning of the SHA-256 of "
        "architecture, recipe, data and seed, and names the run."
    )


@cache
def _version() -> str:
    project: dict[str, str] = tomllib.loads(_PYPROJECT.read_text())["project"]
    return project["version"]


def _json(values: Mapping[str, Any]) -> str:
    # A name with a tag in it must not end the element.
    text = json.dumps(values, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="page">{text}</script>'


def _held(address: str, content: bytes) -> str:
    """Compressed bytes in an element with this address."""
    return f'<script type="text/plain" id="{address[1:]}">{_address(content, "application/gzip")}</script>'


def _address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _in_html(script: str) -> str:
    # These would be read as tags; in the texts of a script a backslash before them changes nothing.
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")
