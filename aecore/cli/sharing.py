"""The commands `export` and `import`: runs as files that can be sent to others, and models from elsewhere."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from aecore.cli.output import say, write
from aecore.models.recipe import is_name
from aecore.reconstructors import foreign
from aecore.reconstructors.foreign import ForeignError
from aecore.runs import bundles
from aecore.runs.store import Store


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options of `export`."""
    parser.add_argument("name", metavar="NAME", help="a run, by name or key")
    parser.add_argument("--output", metavar="FILE", type=Path, help="default: <name>-<key>.zip in the current folder")
    parser.set_defaults(command=_export)


def add_import(parser: argparse.ArgumentParser) -> None:
    """The options of `import`."""
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="+",
        type=Path,
        help="exported runs (.zip), or ONNX models from elsewhere (.onnx) that map [N, C, H, W] in [0, 1] to the same",
    )
    parser.add_argument("--name", metavar="NAME", help="what to call an ONNX model (default: its file's name)")
    parser.add_argument(
        "--licence", "--license", metavar="TEXT", default="", help="a note on the licence of an ONNX model"
    )
    parser.set_defaults(command=_import)


def _export(options: argparse.Namespace) -> None:
    run = Store().find(options.name)
    path = options.output or Path(bundles.file_name(run))
    bundles.write(run, path)
    write(str(path))


def _import(options: argparse.Namespace) -> None:
    models = [path for path in options.files if path.suffix.lower() == ".onnx"]
    if options.name and len(models) != 1:
        raise ForeignError(f"--name is for one ONNX model, not {len(models)}.")
    for path in options.files:
        if path in models:
            model = foreign.add(Store().root, options.name or _name_of(path), _content(path), options.licence)
            write(f"{model.label}: takes pictures of {model.sizes}")
        else:
            read = bundles.read(path, Store())
            if read.was_here:
                say(f"{read.run.path.name} is in the store already.")
            write(read.run.path.name)


def _name_of(path: Path) -> str:
    name = re.sub(r"[^a-z0-9.]+", "-", path.stem.lower()).strip("-.")
    if not is_name(name):
        raise ForeignError(f"{path.name} does not make a name: give one with --name.")
    return name


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(foreign.MOST_BYTES + 1)  # one more than is allowed, to be refused
    except OSError as error:
        raise ForeignError(f"{path} cannot be read ({error.strerror}).") from None
