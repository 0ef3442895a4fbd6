"""A folder of picture files as a data set of square pictures."""

from __future__ import annotations

import errno
import hashlib
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from stat import S_ISREG

import numpy as np
import torch

from aecore.data.catalog import FOLDER_SIDE, DatasetError, folder_path
from aecore.data.left_out import CIRCLE, DANGLING, FORBIDDEN, NOT_A_PICTURE, OUTSIDE, Reason, sentence
from aecore.data.pictures import Picture, PictureError, Pixels, bits, read_picture
from aecore.data.splits import Dataset, Split, hold_out

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
LeftOut = dict[Path, Reason]
Labelled = tuple[str, Pixels]  # the name of a picture's class, and its pixels


def load_folder(path: str, side: int = FOLDER_SIDE) -> Dataset:
    """The pictures under `path` at `side`×`side` pixels, decoded at once.

    Its `note` says what was left out and what was assumed.

    Subfolders called train and test, in any case, are the splits. A third one called val, valid or validation holds the
    validation pictures, which are otherwise a tenth of train. A folder without train and test is split by content: as
    good as at random, and yet equally for every copy of it. Classes are the subfolders, of the folder or of the splits.

    Pictures of 16-bit values that do not say which value is white get one scale, so that they stay comparable: the
    fewest bits that hold the greatest value of all of them.

    Raises `DatasetError` for no such folder, for fewer than 10 pictures, and for a split of fewer than 2.
    """
    folder = _folder(path)
    files, left_out = _files(folder)
    splits, remark = _splits(folder, files)
    pictures = _pictures(folder, files, splits, left_out, side)
    shown: dict[PurePath, Reason] = {file.relative_to(folder): reason for file, reason in left_out.items()}
    greatest = [picture.greatest for picture in pictures.values() if picture.greatest is not None]
    depth = bits(max(greatest, default=0))
    remarks = [sentence(shown, len(pictures) + len(shown)), _depth_text(greatest, depth), remark]
    note = " ".join(filter(None, remarks))
    if len(pictures) < 10:
        raise DatasetError(f"{folder} holds {len(pictures)} pictures: a data set needs at least 10. {note}".strip())

    groups = _groups(folder, pictures, splits, depth)
    classes = tuple(sorted({label for group in groups.values() for label, _ in group}))
    for split, group in groups.items():
        if len(group) < 2:
            raise DatasetError(f"{folder} holds {len(group)} pictures in {split}: a split needs at least 2. {note}")
    whole = {split: _by_content(group, classes) for split, group in groups.items()}
    learning, test = (whole["train"], whole["test"]) if splits else hold_out(whole[""])
    validation = whole.get("validation")
    return Dataset(
        f"folder:{folder}" if side == FOLDER_SIDE else f"folder@{side}:{folder}",
        f"Pictures in {folder.name}" + (f", {side}×{side}" if side != FOLDER_SIDE else ""),
        classes,
        (3, side, side),
        lambda: (learning, validation) if validation else hold_out(learning),
        lambda: (test,),
        note=note,
    )


def _splits(folder: Path, files: Iterable[Path]) -> tuple[dict[str, str], str]:
    """The split that each subfolder is, or nothing where they are classes, and a sentence about it."""
    names = sorted({file.relative_to(folder).parts[0] for file in files if file.parent != folder})
    order = {split: [name for name in names if name.lower() == split] for split in SPLITS}
    splits = {name: SPLITS[split] for split, group in order.items() for name in group}
    if {"train", "test"} <= set(splits.values()):
        return splits, f"The splits are the subfolders {', '.join(splits)}."
    if splits:
        return {}, (
            f"Read as classes: {', '.join(splits)}. Subfolders are splits only where there are both train and test."
        )
    return {}, ""


def _pictures(
    folder: Path, files: Iterable[Path], splits: Mapping[str, str], left_out: LeftOut, side: int
) -> dict[Path, Picture]:
    """The pictures of the splits; the other files are added to `left_out`."""
    pictures = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's remarks on odd files that it reads all the same
        for file in files:
            if splits and file.relative_to(folder).parts[0] not in splits:
                left_out[file] = OUTSIDE
                continue
            try:
                pictures[file] = read_picture(file, side)
            except PictureError as error:
                left_out[file] = error.reason
    return pictures


def _groups(
    folder: Path, pictures: Mapping[Path, Picture], splits: Mapping[str, str], depth: int
) -> dict[str, list[Labelled]]:
    """The pictures of each split, or those of all under an empty name."""
    groups: dict[str, list[Labelled]] = {split: [] for split in splits.values() or [""]}
    for file, picture in pictures.items():
        first, *others = file.relative_to(folder).parts
        inner = others if splits else [first, *others]
        label = inner[0] if len(inner) > 1 else "picture"
        groups[splits.get(first, "")].append((label, picture.pixels[depth]))
    return groups


def _depth_text(greatest: Sequence[int], depth: int) -> str:
    """What was assumed of pictures with these greatest values; nothing where their values fill 16 bits."""
    if not greatest or depth == 16:
        return ""
    return (
        f"The pictures of 16-bit values have none above {max(greatest):,}: "
        f"{depth} bits are assumed, so that {2**depth - 1:,} is white."
    )


def _by_content(group: Iterable[Labelled], classes: tuple[str, ...]) -> Split:
    """Sorted by digest: parts of it are as good as random, yet equal for every copy of the folder."""
    group = sorted(group, key=lambda picture: (hashlib.sha256(picture[1].tobytes()).digest(), picture[0]))
    return Split(
        torch.from_numpy(np.stack([pixels for _, pixels in group])),
        torch.tensor([classes.index(label) for label, _ in group]),
    )


def stamp(path: str) -> str:
    """Hex SHA-256 over names, sizes and times of the files under `path`: it changes with them, and decodes nothing."""
    folder = _folder(path)
    facts = [(str(file.relative_to(folder)), file.stat()) for file in _files(folder)[0]]
    listed = [f"{name}\0{fact.st_size}\0{fact.st_mtime_ns}" for name, fact in facts]
    return hashlib.sha256("\n".join(listed).encode("utf-8", "surrogateescape")).hexdigest()


def _folder(path: str) -> Path:
    folder = folder_path(path)
    if folder is None:
        raise DatasetError(f"There is no folder {path!r}: give one that holds pictures, as folder:PATH.")
    return folder.resolve()


def _files(folder: Path) -> tuple[list[Path], LeftOut]:
    """All files under a folder, in order, and what cannot be entered or opened; hidden ones are not counted.

    Links are followed, unless they lead back upwards.
    """
    files, left_out, entered = list[Path](), LeftOut(), dict[Path, frozenset[Path]]()

    def shut(error: OSError) -> None:
        left_out[Path(error.filename)] = FORBIDDEN

    for name, subfolders, names in os.walk(folder, onerror=shut, followlinks=True):
        here = Path(name)
        entered[here] = entered.get(here.parent, frozenset()) | {here.resolve()}
        shown = [part for part in subfolders if part[0] != "."]
        circles = {part for part in shown if (here / part).resolve() in entered[here]}
        left_out |= {here / part: CIRCLE for part in circles}
        subfolders[:] = [part for part in shown if part not in circles]
        for file in (here / part for part in names if part[0] != "."):
            if reason := _obstacle(file):
                left_out[file] = reason
            else:
                files.append(file)
    return sorted(files), left_out


def _obstacle(file: Path) -> Reason | None:
    """Why a file cannot be opened, as far as that is known without opening it."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        return DANGLING
    except OSError as error:
        return CIRCLE if error.errno == errno.ELOOP else FORBIDDEN
    return None if S_ISREG(mode) else NOT_A_PICTURE  # to open a pipe would wait for its other end
