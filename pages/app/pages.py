"""Every page: its file, title and icon. The navigation, the server and links from page to page derive from `PAGES`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

_ROOT = Path(__file__).parents[2]

ICON = _ROOT / "docs" / "icon.png"


@dataclass(frozen=True)
class Page:
    """A page, by its file below `pages/`."""

    file: str
    title: str
    icon: str

    @property
    def path(self) -> Path:
        """The file that is run."""
        return _ROOT / "pages" / self.file

    @property
    def url(self) -> str:
        """What its address ends in."""
        return self.path.stem

    def link(self, label: str, *, disabled: str = "", **choices: str | list[str]) -> None:
        """A link that opens the page with `choices` in its address; `disabled` says why it cannot be followed."""
        icon = f":material/{self.icon}:"
        st.page_link(
            self.path, label=label, icon=icon, query_params=choices, disabled=bool(disabled), help=disabled or None
        )


GALLERY = Page("explore/gallery.py", "Gallery", "grid_view")
COMPARE = Page("explore/compare.py", "Compare", "compare")
DENOISE = Page("explore/denoise.py", "Denoise", "blur_on")
PHOTOS = Page("explore/photos.py", "Photos", "photo_camera")
TELL = Page("explore/tell.py", "Can you tell?", "visibility")
TRAIN = Page("experiment/train.py", "Train", "model_training")
BUILD = Page("experiment/build.py", "Build", "architecture")
CLAIMS = Page("experiment/claims.py", "Claims", "fact_check")
SYSTEM = Page("explore/system.py", "System", "schema")
CODE = Page("explore/code.py", "Code", "qr_code_2")
BYTES = Page("explore/bytes.py", "Bytes", "compress")

# In the navigation's order; the first is opened at the root.
PAGES = (GALLERY, SYSTEM, CODE, BYTES, COMPARE, DENOISE, PHOTOS, TELL, BUILD, TRAIN, CLAIMS)
