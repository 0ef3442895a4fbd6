"""torch takes seconds to import: it can be imported in the background before a page needs it."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Thread

FIRST_PICTURES = "pages.components.gallery.moving"  # what the gallery shows first
SHEETS = "pages.components.cached"  # what Compare, Denoise and System need


def preload(module: str) -> None:
    """Begin to import a module in the background, unless it is there."""
    if module not in sys.modules:
        Thread(target=import_module, args=[module], name="preload").start()
