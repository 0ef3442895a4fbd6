"""Photographs: every file is a picture as it would be seen, or gets one sentence."""

import re
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from aecore.data import photographs
from aecore.data.catalog import PHOTOGRAPHS, DatasetError
from aecore.data.photographs import LONGEST_NAME, PhotographError, read, sample, shown
from tests.aecore.data import hostile_pictures as hostile

FILES = list(hostile.files())
BY_NAME = dict(FILES)
UPRIGHT = np.asarray(hostile.scene()).transpose(2, 0, 1)
WRITING = ("open", "os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "shutil.copyfile")


def test_there_are_many_files() -> None:
    assert len(FILES) >= 130


@pytest.mark.parametrize(("name", "content"), FILES, ids=[f"{place}" for place in range(len(FILES))])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore::PIL.Image.DecompressionBombWarning")
def test_a_file_is_a_picture_or_gets_one_sentence(name: str, content: bytes) -> None:
    try:
        photograph = read(content, name)
    except PhotographError as error:
        sentence = str(error)
        assert sentence.startswith(shown(name))
        assert sentence.endswith(".")
        assert sentence.isprintable()
    else:
        assert photograph.pixels.dtype == np.uint8
        assert photograph.pixels.shape == (3, *photograph.size)
        assert all(note.endswith(".") for note in photograph.notes)


def test_names_can_be_shown() -> None:
    for name, _ in FILES:
        title = shown(name)
        assert 1 <= len(title) <= LONGEST_NAME
        assert title.isprintable()
        assert "/" not in title
        assert "\\" not in title
        assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", title)
    assert shown("../../holiday in Rome.JPG") == "holiday in Rome.JPG"
    assert shown("x" * 300 + ".png").endswith("x.png")
    assert shown("\u05ea\u05de\u05d5\u05e0\u05d4.png") == "\u05ea\u05de\u05d5\u05e0\u05d4.png"


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore::PIL.Image.DecompressionBombWarning")
def test_the_memory_comes_back_and_nothing_is_written() -> None:
    written: list[object] = []
    watching = True

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        is_reading = (
            event == "open" and isinstance(arguments[1], str | None) and not set(arguments[1] or "r") & set("wax+")
        )
        if watching and event in WRITING and not is_reading:
            written.append((event, arguments))

    sys.addaudithook(watch)

    read_all()  # imports, caches of the libraries
    process = psutil.Process()
    before = process.memory_info().rss
    watching = False
    Path("/proc/self/clear_refs").write_text("5")  # forgets the peak of before
    watching = True
    read_all()
    watching = False
    assert written == []
    assert _peak() - before < 50e6
    assert process.memory_info().rss - before < 10e6


def read_all() -> None:
    for name, content in FILES:
        try:
            read(content, name)
        except PhotographError:
            continue


def _peak() -> int:
    """The most memory that was in use, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


# ---- as it would be seen


@pytest.mark.parametrize("suffix", ["png", "webp", "jpg"])
@pytest.mark.parametrize("orientation", hostile.TURNS)
def test_it_is_turned_as_the_camera_was_held(orientation: int, suffix: str) -> None:
    pixels = read(BY_NAME[f"turned-{orientation}.{suffix}"], "a").pixels
    np.testing.assert_allclose(pixels.astype(int), UPRIGHT, atol=8 if suffix == "jpg" else 0)


def test_pictures_that_lose_nothing_have_their_pixels() -> None:
    for name in ("whole.png", "whole.bmp", "whole.tiff", "lie.jpg", "no-suffix-png", "srgb.png", "moving.png"):
        np.testing.assert_array_equal(read(BY_NAME[name], name).pixels, UPRIGHT, err_msg=name)
    for name in ("whole.jpg", "whole.webp", "whole.avif", "whole.heic"):
        # They halve the colours; the truth is the mean over a few pixels.
        error = read(BY_NAME[name], name).pixels.astype(int) - UPRIGHT
        assert np.abs(error.mean((1, 2))).max() < 4, name


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_profile_that_swaps_red_and_blue_swaps_them(suffix: str) -> None:
    photograph = read(BY_NAME[f"swapped.{suffix}"], "a.png")
    np.testing.assert_allclose(photograph.pixels.astype(int), UPRIGHT[::-1], atol=2)
    assert photograph.notes == ("Its colours were converted from its own profile to sRGB.",)


def test_display_p3_becomes_srgb() -> None:
    """By the formulas of both: linear light, through XYZ, and back."""
    pixels = read(BY_NAME["display-p3.png"], "a.png").pixels
    values = UPRIGHT.reshape(3, -1) / 255
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    own, srgb = (
        np.array([colours[name] for name in (b"rXYZ", b"gXYZ", b"bXYZ")]).T
        for colours in (
            hostile.colorants(hostile.profile_of(**hostile.DISPLAY_P3)),
            hostile.colorants(hostile.srgb_profile()),
        )
    )
    seen = (np.linalg.inv(srgb) @ own @ light).clip(0, 1)
    expected = 255 * np.where(seen <= 0.0031308, 12.92 * seen, 1.055 * seen ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(pixels.reshape(3, -1), expected, atol=2)
    assert np.abs(pixels.reshape(3, -1) - values * 255).max() > 20  # it was not left as it was


def test_a_profile_that_cannot_be_used_is_said() -> None:
    for name in ("no-profile.png", "cut-profile.jpg", "not-for-grey.png"):
        assert read(BY_NAME[name], name).notes == (
            "Its colour profile cannot be read: its colours are taken for sRGB.",
        )


def test_transparent_parts_are_white() -> None:
    for name in ("clear.png", "clear.tif"):
        photograph = read(BY_NAME[name], name)
        opacity = np.asarray(Image.linear_gradient("L").resize((48, 36))) / 255
        np.testing.assert_allclose(photograph.pixels, opacity * UPRIGHT + (1 - opacity) * 255, atol=1)
        assert photograph.notes == ("Its transparent parts are shown over white.",)
    assert read(BY_NAME["moving.webp"], "a").notes == ("It moves: the first frame is shown.",)


def test_values_of_16_bits_show_their_upper_eight() -> None:
    ramp = np.linspace(0, 65_535, 48 * 36).reshape(36, 48).astype(np.uint16) >> 8
    for name in ("16-bit-grey.png", "16-bit-grey.tif", "16-bit-colour.png"):
        photograph = read(BY_NAME[name], name)
        np.testing.assert_array_equal(photograph.pixels, np.broadcast_to(ramp, (3, 36, 48)))
        assert photograph.notes == ("Its values are stored in 16 bits; the upper 8 of 16 are shown.",)


# ---- limits


def test_what_is_too_large_says_how_large() -> None:
    with pytest.raises(PhotographError, match=r"a\.png has 20\.0 MB: at most 20 MB are taken"):
        read(bytes(photographs.MOST_BYTES + 1), "a.png")
    many = hostile.png(8_000, 8_000, b"")
    with pytest.raises(PhotographError, match=r"a.png has 64 megapixels \(8,000×8,000\): at most 50 are taken"):
        read(many, "a.png")
    with pytest.raises(PhotographError, match=r"claims-much\.png has too many pixels"):
        read(BY_NAME["claims-much.png"], "claims-much.png")


def test_as_many_pixels_as_are_allowed_are_read() -> None:
    buffer = BytesIO()
    Image.new("1", (10_000, 5_000)).save(buffer, "PNG")
    assert read(buffer.getvalue(), "a.png").size == (5_000, 10_000)


def test_a_heic_file_says_how_it_can_be_read_where_it_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(PhotographError, match=r"a\.heic is a HEIC file, .* requirements-heic\.txt"):
        read(BY_NAME["whole.heic"], "a.heic")


# ---- the samples


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_sample_is_there(name: str) -> None:
    photograph = sample(name)
    assert photograph.title == name
    assert min(photograph.size) >= 300


def test_a_sample_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PHOTOGRAPHS, "cat", "dog.png")
    with pytest.raises(DatasetError, match=r"dog\.png.*reinstall it"):
        sample("cat")


def test_photographs_are_told_apart_by_their_content() -> None:
    first, second = read(BY_NAME["whole.png"], "a.png"), read(BY_NAME["grey.png"], "a.png")
    assert first.digest != second.digest
    assert first.digest == read(BY_NAME["whole.png"], "b.png").digest
