"""torch takes seconds to import: it can be imported in the background before a page needs it."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Timer

FIRST_PICTURES = "pages.components.gallery.moving_pictures"  # what the gallery shows first, where it is not stored
SHEETS = "pages.components.cached"  # what Compare, Denoise and System need


def preload(module: str, after: float = 0.0) -> None:
    """Begin to import a module in the background `after` so many seconds, unless it is there."""
    if module not in sys.modules:
        timer = Timer(after, import_module, [module])
        timer.name = "preload"
        timer.start()
