"""A picture file as pixels: every format is read, and white is what the file or the folder says."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from aecore.data import left_out
from aecore.data.left_out import Reason
from aecore.data.pictures import DEPTHS, PictureError, Pixels, bits, read_picture


def pixels_of(file: Path) -> Pixels:
    """The pixels of a file that says itself which value is white."""
    picture = read_picture(file)
    assert picture.greatest is None
    assert list(picture.pixels) == list(DEPTHS)
    return picture.pixels[8]


def halves(mode: str = "RGB") -> Image.Image:
    """64 × 64, red on the left and blue on the right."""
    picture = Image.new("RGB", (64, 64), "red")
    picture.paste((0, 0, 255), (32, 0, 64, 64))
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("file", "mode"),
    [
        ("a.png", "RGB"),
        ("a.jpg", "RGB"),
        ("A.JPEG", "RGB"),
        ("a.webp", "RGB"),
        ("a.bmp", "RGB"),
        ("a.gif", "P"),
        ("a.tiff", "RGB"),
        ("a.png", "P"),
        ("a.png", "RGBA"),
        ("a.jpg", "CMYK"),
        ("a.tiff", "CMYK"),
        ("without-suffix", "RGB"),
    ],
)
def test_every_format_is_read(file: str, mode: str, tmp_path: Path) -> None:
    halves(mode).save(tmp_path / file, format=None if "." in file else "PNG")
    pixels = pixels_of(tmp_path / file)
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == np.uint8
    assert pixels[:, :, :12].mean((1, 2)) == pytest.approx([255, 0, 0], abs=6)
    assert pixels[:, :, 20:].mean((1, 2)) == pytest.approx([0, 0, 255], abs=6)


def test_a_picture_is_turned_as_its_camera_was_held(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right: what was left comes on top
    halves().save(tmp_path / "turned.jpg", exif=exif)
    pixels = pixels_of(tmp_path / "turned.jpg")
    assert pixels[:, :12].mean((1, 2)) == pytest.approx([255, 0, 0], abs=6)
    assert pixels[:, 20:].mean((1, 2)) == pytest.approx([0, 0, 255], abs=6)


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    Image.new("RGBA", (32, 32), (200, 0, 0, 0)).save(tmp_path / "clear.png")
    palette = Image.new("P", (32, 32), 0)
    palette.putpalette([200, 0, 0, 0, 200, 0])
    palette.save(tmp_path / "clear.gif", transparency=0)
    assert (pixels_of(tmp_path / "clear.png") == 255).all()
    assert (pixels_of(tmp_path / "clear.gif") == 255).all()


@pytest.mark.parametrize("size", [(1920, 640), (640, 1920), (96, 32), (31, 7), (1, 1)])
@pytest.mark.parametrize("file", ["wide.png", "wide.jpg"])
def test_the_centre_square_is_taken(size: tuple[int, int], file: str, tmp_path: Path) -> None:
    width, height = size
    side = min(size)
    picture = Image.new("RGB", size, "red")
    left, top = (width - side) // 2, (height - side) // 2
    picture.paste((0, 255, 0), (left, top, left + side, top + side))
    picture.save(tmp_path / file, **({"quality": 95, "subsampling": 0} if file.endswith("jpg") else {}))
    assert pixels_of(tmp_path / file)[:, 3:29, 3:29].mean((1, 2)) == pytest.approx([0, 255, 0], abs=6)


def test_fine_patterns_become_grey(tmp_path: Path) -> None:
    board = (np.indices((320, 320)).sum(0) % 2 * 255).astype(np.uint8)
    Image.fromarray(board).save(tmp_path / "board.png")
    assert np.abs(pixels_of(tmp_path / "board.png").astype(int) - 127.5).max() < 2


# ---- more than 8 bits


def grey(bits: int, size: int = 32) -> np.ndarray:
    """Values [size, size] uint16 from 0 to the greatest that fits into `bits`."""
    return np.linspace(0, 2**bits - 1, size * size).reshape(size, size).astype(np.uint16)


def coloured(bits: int, channels: int = 3) -> np.ndarray:
    values = np.random.default_rng(bits).integers(0, 2**bits, (32, 32, channels), dtype=np.uint16)
    values[0, 0] = 2**bits - 1
    return values


def write_png(file: Path, values: np.ndarray, *chunks: tuple[bytes, bytes]) -> None:
    """A PNG of 16 bits per value by its specification, since Pillow writes none in colour."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def expected(values: np.ndarray, depth: int) -> np.ndarray:
    """The upper eight of `depth` bits, [3, 32, 32]."""
    colours = values if values.ndim == 3 else values[..., None]
    return np.broadcast_to(colours // 2 ** (depth - 8), (32, 32, 3)).transpose(2, 0, 1)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("file", ["a.png", "a.tif", "big-endian.tif", "packed.tif"])
def test_grey_values_of_16_bits_keep_their_upper_eight(file: str, depth: int, tmp_path: Path) -> None:
    values = grey(depth)
    if file.endswith("png"):
        write_png(tmp_path / file, values[..., None])
    else:
        compression = "zlib" if file.startswith("packed") else None
        order = ">" if file.startswith("big") else "<"
        tifffile.imwrite(tmp_path / file, values, compression=compression, byteorder=order)
    picture = read_picture(tmp_path / file)
    assert picture.greatest == 2**depth - 1
    assert list(picture.pixels) == [bits for bits in DEPTHS if bits >= depth]
    for assumed, pixels in picture.pixels.items():
        np.testing.assert_array_equal(pixels, expected(values, assumed))


@pytest.mark.parametrize("depth", [8, 12, 16])
@pytest.mark.parametrize("file", ["a.png", "a.tif", "big-endian.tif", "packed.tif", "packed-big-endian.tif"])
def test_colours_of_16_bits_keep_their_upper_eight(file: str, depth: int, tmp_path: Path) -> None:
    values = coloured(depth)
    if file.endswith("png"):
        write_png(tmp_path / file, values)
    else:
        compression = "zlib" if file.startswith("packed") else None
        order = ">" if "big" in file else "<"
        tifffile.imwrite(tmp_path / file, values, photometric="rgb", compression=compression, byteorder=order)
    picture = read_picture(tmp_path / file)
    assert picture.greatest == 2**depth - 1
    for assumed, pixels in picture.pixels.items():
        np.testing.assert_array_equal(pixels, expected(values, assumed))


@pytest.mark.parametrize("file", ["a.png", "a.tif"])
def test_opacity_does_not_count_as_a_value(file: str, tmp_path: Path) -> None:
    values = coloured(12, channels=4)
    values[..., 3] = 65_535
    values[:, 16:, 3] = 0
    if file.endswith("png"):
        write_png(tmp_path / file, values)
    else:
        tifffile.imwrite(tmp_path / file, values, photometric="rgb", extrasamples=["unassalpha"])
    picture = read_picture(tmp_path / file)
    assert picture.greatest == 4095
    np.testing.assert_array_equal(picture.pixels[12][:, :, :16], expected(values[..., :3], 12)[:, :, :16])
    assert (picture.pixels[12][:, :, 16:] == 255).all()


def test_a_turned_picture_of_16_bits_is_turned_in_both_bytes(tmp_path: Path) -> None:
    values = coloured(12)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extratags=[(274, "H", 1, 3, True)])  # upside down
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif").pixels[12], expected(values[::-1, ::-1], 12))


def test_the_greatest_value_that_a_tiff_declares_counts(tmp_path: Path) -> None:
    for name, declared in (("low", 100), ("right", 4095), ("long", 2**32 - 1)):
        kind = "I" if declared > 65_535 else "H"
        tifffile.imwrite(tmp_path / f"{name}.tif", grey(9), extratags=[(281, kind, 1, declared, True)])
    greatest = [read_picture(tmp_path / f"{name}.tif").greatest for name in ("low", "right", "long")]
    assert greatest == [511, 4095, 65_535]


def test_a_png_that_names_12_significant_bits_fills_all_16(tmp_path: Path) -> None:
    """The specification: values of fewer bits are scaled to the full range, and sBIT says how many there were."""
    original = grey(12)
    scaled = (original.astype(np.uint32) * 65_535 // 4095).astype(np.uint16)[..., None]
    write_png(tmp_path / "a.png", scaled, (b"sBIT", bytes([12])))
    picture = read_picture(tmp_path / "a.png")
    assert list(picture.pixels) == [16]
    np.testing.assert_array_equal(picture.pixels[16], expected(original, 12))


def test_a_tiff_of_packed_12_bits_says_which_value_is_white(tmp_path: Path) -> None:
    """Two values in three bytes, as TIFF says of 12 bits per sample; written by hand, as nothing here packs them."""
    values = grey(12) // 4  # none is near white
    first, second = values.reshape(-1, 2).T.astype(np.uint32)
    packed = (first << 12 | second)[:, None] >> np.array([16, 8, 0]) & 255
    data = packed.astype(np.uint8).tobytes()
    tags = {256: 32, 257: 32, 258: 12, 259: 1, 262: 1, 273: 8, 277: 1, 278: 32, 279: len(data)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    (tmp_path / "a.tif").write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)
    np.testing.assert_array_equal(pixels_of(tmp_path / "a.tif"), expected(values, 12))


@pytest.mark.parametrize("white", [1023, 4095, 65_535])
def test_netpbm_says_which_value_is_white(white: int, tmp_path: Path) -> None:
    values = np.linspace(0, white, 1024).reshape(32, 32).astype(">u2")
    (tmp_path / "a.pgm").write_bytes(b"P5\n32 32\n%d\n" % white + values.tobytes())
    np.testing.assert_allclose(pixels_of(tmp_path / "a.pgm")[0], values / white * 255, atol=1)


def test_fractions_from_0_to_1_are_taken(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 1024, dtype=np.float32).reshape(32, 32)
    tifffile.imwrite(tmp_path / "f.tif", values)
    np.testing.assert_array_equal(pixels_of(tmp_path / "f.tif"), np.stack([np.rint(values * 255)] * 3))


def refused(file: Path) -> Reason:
    with pytest.raises(PictureError) as caught:
        read_picture(file)
    return caught.value.reason


@pytest.mark.parametrize("odd", [-0.01, 1.01, 255, np.nan, np.inf])
def test_other_fractions_do_not_say_which_value_is_white(odd: float, tmp_path: Path) -> None:
    values = np.full((32, 32), 0.5, np.float32)
    values[3, 4] = odd
    tifffile.imwrite(tmp_path / "f.tif", values)
    assert refused(tmp_path / "f.tif") == left_out.FRACTIONS


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint32])
def test_signed_and_32_bit_integers_do_not_say_which_value_is_white(kind: type, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "i.tif", grey(12).astype(kind))
    assert refused(tmp_path / "i.tif") == left_out.INTEGERS


def test_planes_of_16_bits_are_refused_since_pillow_mixes_them_up(tmp_path: Path) -> None:
    planes = np.moveaxis(coloured(16), -1, 0).copy()
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate")
    assert refused(tmp_path / "p.tif") == left_out.UNDECODED


def test_the_reason_is_named_where_a_file_is_no_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("Dear photograph,")
    (tmp_path / "letter.jpg").write_text("Dear photograph,")
    Image.new("RGB", (99, 99), "red").save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    (tmp_path / "empty.png").touch()
    assert refused(tmp_path / "notes.txt") == left_out.NOT_A_PICTURE
    for file in ("letter.jpg", "cut.png", "empty.png"):
        assert refused(tmp_path / file) == left_out.UNDECODED
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 99 * 99 // 2 - 1)  # Pillow refuses twice as many
    assert refused(tmp_path / "whole.png") == left_out.TOO_LARGE


@pytest.mark.parametrize(("greatest", "depth"), [(0, 8), (255, 8), (256, 10), (1024, 12), (4095, 12), (4096, 14)])
def test_the_fewest_bits_hold_the_greatest_value(greatest: int, depth: int) -> None:
    assert bits(greatest) == depth
    assert bits(65_535) == 16
