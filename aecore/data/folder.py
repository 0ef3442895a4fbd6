"""A folder of picture files as a data set of 32×32 pixels."""

from __future__ import annotations

import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from aecore.data.catalog import DatasetError
from aecore.data.splits import Dataset, Split, hold_out


def load_folder(path: str) -> Dataset:
    """The pictures under `path`, decoded at once; `DatasetError` for no such folder or fewer than 10 pictures."""
    folder = _folder(path)
    pictures: list[tuple[bytes, str, np.ndarray]] = []  # (content digest, class, pixels)
    unreadable: list[str] = []
    for file in _files(folder):
        parts = file.relative_to(folder).parts
        try:
            pixels = read_picture(file)
        except Exception:  # Pillow's decoders raise errors of many types
            unreadable.append(str(file.relative_to(folder)))
            continue
        label = parts[0] if len(parts) > 1 else "picture"
        pictures.append((hashlib.sha256(pixels.tobytes()).digest(), label, pixels))
    if unreadable:
        more = f" and {len(unreadable) - 10} more" if len(unreadable) > 10 else ""
        warnings.warn(f"Not pictures that Pillow reads: {', '.join(unreadable[:10])}{more}.", stacklevel=3)
    if len(pictures) < 10:
        raise DatasetError(f"{folder} holds {len(pictures)} pictures: a data set needs at least 10.")
    # Sorted by digest: the splits are as good as random, yet identical for every copy of the folder.
    pictures.sort(key=lambda picture: picture[:2])
    classes = tuple(sorted({label for _, label, _ in pictures}))
    everything = Split(
        torch.from_numpy(np.stack([pixels for _, _, pixels in pictures])),
        torch.tensor([classes.index(label) for _, label, _ in pictures]),
    )
    learning, test = hold_out(everything)
    return Dataset(
        f"folder:{folder}",
        f"Pictures in {folder.name}",
        classes,
        (3, 32, 32),
        lambda: hold_out(learning),
        lambda: (test,),
    )


def stamp(path: str) -> str:
    """Hex SHA-256 over names, sizes and times of the files under `path`: it changes with them, and decodes nothing."""
    folder = _folder(path)
    facts = [(str(file.relative_to(folder)), file.stat()) for file in _files(folder)]
    listed = [f"{name}\0{fact.st_size}\0{fact.st_mtime_ns}" for name, fact in facts]
    return hashlib.sha256("\n".join(listed).encode("utf-8", "surrogateescape")).hexdigest()


def _folder(path: str) -> Path:
    folder = Path(path).expanduser().resolve()
    if not path or not folder.is_dir():
        raise DatasetError(f"There is no folder {path!r}: give one that holds pictures, as folder:PATH.")
    return folder


def _files(folder: Path) -> list[Path]:
    """All files under a folder, in order, but for hidden ones. Links are followed, unless they lead back upwards."""
    files, entered = list[Path](), dict[Path, frozenset[Path]]()
    for name, subfolders, names in os.walk(folder, followlinks=True):
        here = Path(name)
        entered[here] = entered.get(here.parent, frozenset()) | {here.resolve()}
        subfolders[:] = [part for part in subfolders if part[0] != "." and (here / part).resolve() not in entered[here]]
        files += [here / part for part in names if part[0] != "." and (here / part).is_file()]
    return sorted(files)


def read_picture(file: Path) -> np.ndarray:
    """The centre square of a picture file as [3, 32, 32] uint8."""
    with Image.open(file) as opened:
        # Decodes a 12-megapixel JPEG at an eighth of its size: 20 ms instead of 150, pixels differ by 0.07 of 255.
        opened.draft(None, (128, 128))
        picture = ImageOps.exif_transpose(opened)
    if picture.mode.startswith("I;16"):
        # Pillow would clip the 16 bits to 8.
        picture = Image.fromarray((np.asarray(picture) >> 8).astype(np.uint8))
    elif picture.mode in ("I", "F"):
        raise ValueError("A picture of 32-bit values does not say which value is white.")
    if picture.has_transparency_data:
        # The colours of transparent pixels are arbitrary; a white page is the usual background.
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    square = ImageOps.fit(picture.convert("RGB"), (32, 32), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))
