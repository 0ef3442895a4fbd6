"""Where the pages lie, for the navigation and for links from one to another."""

from pathlib import Path

_ROOT = Path(__file__).parents[2]

ICON = _ROOT / "docs" / "icon.png"
GALLERY = _ROOT / "pages" / "explore" / "gallery.py"
SYSTEM = _ROOT / "pages" / "explore" / "system.py"
COMPARE = _ROOT / "pages" / "explore" / "compare.py"
DENOISE = _ROOT / "pages" / "explore" / "denoise.py"
TRAIN = _ROOT / "pages" / "experiment" / "train.py"

URLS = tuple(path.stem for path in (GALLERY, SYSTEM, COMPARE, DENOISE, TRAIN))
