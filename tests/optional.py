"""Packages that the program does without: tests that need one are skipped where it is not installed."""

from collections.abc import Iterable
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import pytest

from aecore.reconstructors.denoisers import METHODS

_NO_BM3D = "bm3d is not installed: `python -m pip install -r requirements-bm3d.txt`"
needs_bm3d = pytest.mark.skipif(find_spec("bm3d") is None, reason=_NO_BM3D)


def bm3d() -> ModuleType:
    """The package, or the test that asks for it is skipped."""
    package: ModuleType = pytest.importorskip("bm3d", reason=_NO_BM3D)
    return package


def methods(names: Iterable[str] = METHODS) -> list[Any]:
    """Denoisers as parameters of a test: one whose package is not installed is skipped."""
    return [pytest.param(name, marks=needs_bm3d) if name == "bm3d" else name for name in names]
