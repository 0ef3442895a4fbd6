"""Sheets for every position of a slider hold what the sheet of each position would."""

from typing import Any

import numpy as np

from pages.components.lens.series import Series, followed, series
from pages.components.lens.sheets import Column
from tests.pages.sent import unpacked

SHAPE = (2, 1, 4, 4)  # of the pictures of a column


def frame(grey: int, best: bool) -> list[Column]:
    clean = Column("original", "raw", np.zeros(SHAPE, np.uint8), [[("Bytes", "16")]] * 2, "clean")
    pixels = np.stack([np.full(SHAPE[1:], grey, np.uint8), np.full(SHAPE[1:], 9, np.uint8)])
    numbers = [[("Grey", str(grey))], [("Grey", "9")]]
    captions = [(f"{grey}", "first"), ("9", "second")]
    return [clean, Column("grey", f"mean {grey}", pixels, numbers, captions=captions, best=[best, not best])]


def shown(held: Series, position: int) -> list[dict[str, Any]]:
    """The columns at a position, put together as `series.js` does."""
    named, inner = unpacked(held.content)
    assert named == {"name": held.name}
    header, pixels = unpacked(inner)
    pictures = np.frombuffer(pixels, np.uint8).reshape(header["pictures"], *SHAPE[1:])
    columns = []
    for column in header["columns"]:
        cells = [row["cells"][row["which"][position]] for row in column["rows"]]
        columns.append(
            {
                "note": column["notes"][position],
                "pixels": np.stack([pictures[place] for place, _, _ in cells]),
                "captions": [tuple(caption) for _, caption, _ in cells],
                "numbers": [[tuple(number) for number in numbers] for _, _, numbers in cells],
                "best": [row["best"][position] for row in column["rows"]],
            }
        )
    assert header["sentences"][position] == f"at {position}"
    return columns


def test_every_position_comes_back() -> None:
    frames = [frame(3, best=True), frame(3, best=False), frame(5, best=True)]
    held = series(frames, ["at 0", "at 1", "at 2"])
    for position, columns in enumerate(frames):
        for said, column in zip(shown(held, position), columns, strict=True):
            assert said["note"] == column.note
            assert np.array_equal(said["pixels"], column.pixels)
            assert said["captions"] == list(column.captions or [()] * 2)
            assert said["numbers"] == list(column.numbers)
            assert said["best"] == list(column.best or [False] * 2)


def test_a_picture_that_is_at_several_positions_is_sent_once() -> None:
    held = series([frame(grey, best=True) for grey in (3, 5, 3, 0)], ["at"] * 4)
    header, pixels = unpacked(unpacked(held.content)[1])
    assert header["pictures"] == len({0, 3, 5, 9})
    assert len(pixels) == 4 * 16


def test_the_name_says_what_is_in_it() -> None:
    one, again, other = (series([frame(grey, best=True)], ["at 0"]) for grey in (3, 3, 4))
    assert one == again
    assert one.name != other.name
    assert followed(one, ".st-key-b", 7, "at 7")["name"] == one.name
    assert followed(None, ".st-key-b", 7, "at 7") == {
        "name": None,
        "slider": ".st-key-b",
        "position": 7,
        "sentence": "at 7",
    }
