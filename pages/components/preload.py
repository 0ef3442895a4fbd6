"""torch takes seconds to import, and Compare needs it: a page that does not can have it imported meanwhile."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import Thread

_HEAVY = "pages.components.cached"


def preload() -> None:
    """Begin to import what Compare needs, in the background; call it at a page's end, when all of it is painted."""
    if _HEAVY not in sys.modules:
        Thread(target=import_module, args=[_HEAVY], name="preload").start()
