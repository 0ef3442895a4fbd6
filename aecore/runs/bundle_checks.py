"""What must be true of a run from elsewhere before the store takes it.

Checksums show that nothing was damaged on the way, but whoever makes a file can make its checksum. So everything that
the dashboard relies on is looked at too: the key, the weights, the tables, the totals and the picture.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aecore import AecoreError
from aecore.data import catalog, noise
from aecore.files.archives import quoted
from aecore.files.whole import canonical
from aecore.measuring.totals import Totals
from aecore.models.layers import shape_text
from aecore.models.recipe import RunSpec
from aecore.runs.store import FORMAT, HISTORY, PREVIEW, RUN, SCORES, WEIGHTS

if TYPE_CHECKING:
    import pandas as pd

FILES = (WEIGHTS, HISTORY, SCORES, PREVIEW)  # that `run.json` vouches for
LONGEST_HEADER = 2**20  # bytes of the header of a file of weights
LARGEST_TABLE = 2**25  # bytes of a table of scores, unpacked
LARGEST_PREVIEW = 2**22  # pixels
LONGEST_TEXT = 300  # characters
_DTYPES = {"float32": "F32", "float16": "F16"}
_BYTES = {"F32": 4, "F16": 2, "I64": 8}
_CLOSE = 1e-4  # relative: the scores are stored with six digits, the totals with all


class BundleError(AecoreError):
    """A bundle cannot be written or read; the text says why."""


def check(folder: Path) -> RunSpec:
    """The spec of the run whose files are in `folder`; raises `BundleError` where one is not as it should be."""
    facts = _manifest(folder / RUN)
    spec = _spec(facts)
    for name in FILES:
        if not (folder / name).is_file():
            raise BundleError(f"{name} is missing in the bundle.")
        if facts["files"][name] != _stated(folder / name):
            raise BundleError(f"{name} in the bundle is not the file that its {RUN} describes: export the run again.")
    _check_weights(folder / WEIGHTS, spec, facts["dtype"])
    scores = _check_scores(folder / SCORES)
    _check_totals(facts["totals"], scores)
    _check_history(folder / HISTORY, spec)
    _check_preview(folder / PREVIEW, spec)
    return spec


def _stated(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


# ---- run.json


def _manifest(path: Path) -> dict[str, Any]:
    """The facts of `run.json`, of the right kinds."""
    try:
        facts = json.loads(path.read_bytes())
        intact = facts.pop("sha256") == hashlib.sha256(canonical(facts)).hexdigest()
    except FileNotFoundError:
        raise BundleError(f"{RUN} is missing in the bundle.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        intact = False
    if not intact:
        raise BundleError(f"{RUN} in the bundle is damaged: export the run again.")
    if facts.get("format") != FORMAT:
        raise BundleError(f"The bundle was written by another version of aecore: this one reads format {FORMAT}.")
    facts.setdefault("noise_version", 1)  # not recorded at first
    if wrong := next((name for name, is_right in _KINDS.items() if not is_right(facts.get(name))), None):
        raise BundleError(f"{RUN} in the bundle says something impossible of `{wrong}`.")
    if facts["noise_version"] > noise.VERSION:
        raise BundleError("The bundle was written by a newer version of aecore, which draws noise in another way.")
    return dict(facts)


def _is_number(value: object) -> bool:
    # A whole number may be too large to be a float.
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e300 < value < 1e300


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()


def _is_environment(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= 32
        and _is_text(value.get("device"))
        and all(_is_text(name) and (_is_text(part) or _is_number(part)) for name, part in value.items())
    )


def _is_moment(value: object) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _has_totals(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == {field.name for field in fields(Totals)}


def _has_files(value: object) -> bool:
    return isinstance(value, dict) and value.keys() == set(FILES)


_KINDS = {
    "spec": lambda value: isinstance(value, dict),
    "key": lambda value: isinstance(value, str),
    "environment": _is_environment,
    "finished": _is_moment,
    "seconds": lambda value: _is_number(value) and value >= 0,
    "dtype": lambda value: isinstance(value, str) and value in _DTYPES,
    "totals": _has_totals,
    "files": _has_files,
    "noise_version": _is_count,
}


def _spec(facts: Mapping[str, Any]) -> RunSpec:
    values = facts["spec"]
    try:
        spec = RunSpec.from_json(values)
        same = _without_none(spec.to_json()) == _without_none(values)
    except AecoreError as error:
        text = str(error)
        short = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
        raise BundleError(f"The run in the bundle cannot be built: {short}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        same = False
    if not same or not _is_text(spec.dataset) or not isinstance(spec.seed, int) or not 0 <= spec.seed < 2**63:
        raise BundleError(f"The layers, recipe or data set in the bundle's {RUN} are not those of a run.")
    if not isinstance(spec.fingerprint, str) or not re.fullmatch("[0-9a-f]{64}", spec.fingerprint):
        raise BundleError(f"The fingerprint of the data set in the bundle's {RUN} is not a SHA-256.")
    _check_dataset(spec)
    if spec.key != facts["key"]:
        raise BundleError(f"The key in the bundle's {RUN} does not follow from its layers, recipe, data and seed.")
    return spec


def _check_dataset(spec: RunSpec) -> None:
    """The key does not hold the name of the data set, so that it may be any."""
    try:
        shape = catalog.shape_of(spec.dataset)
    except catalog.DatasetError as error:
        raise BundleError(f"The data set in the bundle's {RUN} is none that is known here. {error}") from None
    if shape != spec.architecture.input_shape:
        raise BundleError(
            f"The layers in the bundle's {RUN} take pictures of {shape_text(spec.architecture.input_shape)}, and those "
            f"of its data set are {shape_text(shape)}."
        )


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    """A setting that is None means the same as one that is left out, as older versions did."""
    recipe = {name: value for name, value in values["recipe"].items() if value is not None}
    return {**values, "recipe": recipe}


# ---- weights


def _check_weights(path: Path, spec: RunSpec, dtype: str) -> None:
    import torch
    from safetensors import SafetensorError, safe_open

    header = _header(path)
    with torch.device("meta"):  # shapes alone: no memory is taken
        expected = spec.architecture.module().state_dict()
    if header.keys() != expected.keys():
        raise BundleError("The weights in the bundle do not belong to its layers.")
    for name, tensor in expected.items():
        kind = _DTYPES[dtype] if tensor.is_floating_point() else "I64"
        if header[name].get("shape") != list(tensor.shape) or header[name].get("dtype") != kind:
            raise BundleError(
                f"The weights {quoted(name)} in the bundle are not of the shape and type that they must be."
            )
    try:
        with safe_open(path, "pt") as file:
            for name in expected:
                if not file.get_tensor(name).isfinite().all():
                    raise BundleError(f"The weights {quoted(name)} in the bundle are not all finite numbers.")
    except (OSError, SafetensorError, ValueError):
        raise _damaged_weights() from None


def _header(path: Path) -> dict[str, dict[str, Any]]:
    """The header of a file of weights, without its metadata: its length is looked at before it is read."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise BundleError(f"The header of {WEIGHTS} in the bundle is longer than {LONGEST_HEADER:,} bytes.")
        try:
            header = json.loads(file.read(length))
            header.pop("__metadata__", None)
            offsets = sorted(tuple(map(int, part["data_offsets"])) for part in header.values())
            sizes = [
                _BYTES.get(part["dtype"], 0) * math.prod(map(int, part["shape"])) == stop - start
                for part, (start, stop) in ((part, part["data_offsets"]) for part in header.values())
            ]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
            raise _damaged_weights() from None
    end = path.stat().st_size - 8 - length
    follow = [stop == start for (_, stop), (start, _) in pairwise([(0, 0), *offsets, (end, end)])]
    if not all(sizes) or not all(follow):
        raise BundleError(f"The weights in the bundle overlap or leave gaps: {WEIGHTS} is damaged.")
    return dict(header)


def _damaged_weights() -> BundleError:
    return BundleError(f"{WEIGHTS} in the bundle is damaged: export the run again.")


# ---- tables and picture


def _check_scores(path: Path) -> pd.DataFrame:
    try:
        with gzip.open(path) as file:
            content = file.read(LARGEST_TABLE + 1)
    except (OSError, EOFError, zlib.error):
        raise BundleError(f"{SCORES} in the bundle is damaged: export the run again.") from None
    if len(content) > LARGEST_TABLE:
        raise BundleError(f"{SCORES} in the bundle unpacks to more than {LARGEST_TABLE / 2**20:.0f} MB.")
    table = _table(content, SCORES, ("picture", "label", "mse", "psnr", "ssim"))
    pictures, errors = table["picture"], table["mse"]
    finite = table[["mse", "ssim"]].map(math.isfinite).to_numpy().all()
    if not finite or (errors < 0).any() or table.isna().to_numpy().any():
        raise BundleError(f"{SCORES} in the bundle holds scores that are no numbers.")
    if list(pictures) != list(range(len(pictures))):
        raise BundleError(f"{SCORES} in the bundle does not have one row for each test picture.")
    return table


def _check_totals(stated: Mapping[str, Any], scores: pd.DataFrame) -> None:
    for name, value in vars(Totals.of(scores)).items():
        if not isinstance(stated[name], int | float) or not math.isclose(stated[name], value, rel_tol=_CLOSE):
            raise BundleError(f"The total `{name}` in the bundle's {RUN} is not that of its scores.")


def _check_history(path: Path, spec: RunSpec) -> None:
    columns = ("epoch", "train_loss", "validation_loss", "validation_mse", "images_per_second", "seconds")
    table = _table(path.read_bytes(), HISTORY, (*columns, *spec.architecture.penalties))
    if list(table["epoch"]) != list(range(1, spec.recipe.epochs + 1)) or table.isna().to_numpy().any():
        raise BundleError(f"{HISTORY} in the bundle does not have one row for each of {spec.recipe.epochs} epochs.")


def _table(content: bytes, name: str, columns: tuple[str, ...]) -> pd.DataFrame:
    """A table of numbers with these columns and no others."""
    from aecore.runs import tables

    try:
        table = tables.read(content)
        numeric = all(kind.kind in "if" for kind in table.dtypes)
    except (ValueError, OverflowError):  # pandas' own errors are of this kind
        raise BundleError(f"{name} in the bundle is not a table: export the run again.") from None
    if not numeric or tuple(table.columns) != columns or not len(table):
        raise BundleError(f"{name} in the bundle is not a table of {', '.join(columns)}.")
    return table


def _check_preview(path: Path, spec: RunSpec) -> None:
    from PIL import Image, UnidentifiedImageError

    # Pages cut it into pictures: originals, noisy ones where there is noise, and reconstructions.
    channels, high, wide = spec.architecture.input_shape
    rows = 3 if spec.recipe.noise else 2
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > LARGEST_PREVIEW:
                raise BundleError(f"{PREVIEW} in the bundle has {picture.width}×{picture.height} pixels, too many.")
            picture.load()
            fits = picture.height == rows * high and picture.width % wide == 0
            if not fits or picture.mode != ("L" if channels == 1 else "RGB"):
                raise BundleError(f"{PREVIEW} in the bundle does not show {rows} rows of the pictures of its layers.")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise BundleError(f"{PREVIEW} in the bundle is not a PNG picture.") from None
