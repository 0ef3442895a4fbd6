"""Files as people and attackers bring them, made by script: each is a picture, or a reason to say what it is."""

import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms

Hostile = tuple[str, bytes]
FORMATS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "avif": "AVIF"}
TURNS = range(1, 9)  # the orientations of EXIF
_ORIENTATION = 0x0112


def files() -> Iterator[Hostile]:
    """All of them, by the name that they are brought under."""
    yield from whole()
    yield from truncated()
    yield from bombs()
    yield from odd_sizes()
    yield from odd_modes()
    yield from moving()
    yield from turned()
    yield from profiled()
    yield from no_pictures()
    yield from odd_names()


def scene(width: int = 48, height: int = 36) -> Image.Image:
    """A picture of which no two corners look alike: red rises to the right, green downwards, and a corner is blue."""
    rows, columns = np.mgrid[:height, :width]
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = columns * 255 // max(width - 1, 1)
    pixels[..., 1] = rows * 255 // max(height - 1, 1)
    pixels[: height // 3, : width // 3, 2] = 255
    return Image.fromarray(pixels)


def file_of(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The file of a picture in a format of Pillow."""
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def heic(picture: Image.Image, **options: Any) -> bytes:
    """The file of a picture in HEIC."""
    buffer = BytesIO()
    pillow_heif.from_pillow(picture).save(buffer, **options)
    return buffer.getvalue()


def png(width: int, height: int, pixels: bytes, depth: int = 8, kind: int = 2, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG by its specification, of any header: `pixels` are the rows, each after its filter byte."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    parts = [(b"IHDR", header), *more, (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def whole() -> Iterator[Hostile]:
    """Every format, under its own name and under a name that lies."""
    contents = {suffix: file_of(scene(), kind) for suffix, kind in FORMATS.items()}
    contents |= {"tiff": file_of(scene(), "TIFF"), "bmp": file_of(scene(), "BMP"), "gif": file_of(scene(), "GIF")}
    contents["heic"] = heic(scene())
    for suffix, content in contents.items():
        yield f"whole.{suffix}", content
        yield f"lie.{'png' if suffix != 'png' else 'jpg'}", content
        yield f"no-suffix-{suffix}", content


def truncated() -> Iterator[Hostile]:
    """Cut off at every tenth."""
    for suffix, kind in FORMATS.items():
        content = file_of(scene(320, 240), kind)
        for tenth in range(10):
            yield f"cut-{tenth}.{suffix}", content[: len(content) * tenth // 10]
    content = heic(scene(320, 240))
    for tenth in (1, 5, 9):
        yield f"cut-{tenth}.heic", content[: len(content) * tenth // 10]


def bombs() -> Iterator[Hostile]:
    """Small files that claim, or hold, far more pixels than fit into memory."""
    rows = zlib.compress(bytes(1_000_000))
    yield "claims-most.png", png(2**31 - 1, 2**31 - 1, rows)
    yield "claims-much.png", png(60_000, 60_000, rows)
    yield "holds-much.png", png(20_000, 20_000, bytes(20_000 * (1 + 3 * 20_000) // 20))
    yield "just-too-many.png", png(10_000, 5_001, b"")
    text = zlib.compress(bytes(200_000_000), 9)
    yield "text.png", png(1, 1, bytes(4), 8, 2, (b"zTXt", b"Comment\0\0" + text))
    yield "profile.png", png(1, 1, bytes(4), 8, 2, (b"iCCP", b"bomb\0\0" + text))
    lossless = struct.pack("<I", 0x3FFF - 1 | (0x3FFF - 1) << 14)
    chunk = b"VP8L" + struct.pack("<I", 26) + b"\x2f" + lossless + bytes(21)
    yield "lossless.webp", b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    canvas = (2**24 - 1).to_bytes(3, "little") * 2
    extended = b"VP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    yield "extended.webp", b"RIFF" + struct.pack("<I", 4 + len(extended)) + b"WEBP" + extended
    real = file_of(scene(64, 64), "WEBP", lossless=True)
    yield "claims-more.webp", real[:21] + lossless + real[25:]
    frame = file_of(scene(8, 8), "GIF")
    yield "claims-most.gif", frame[:6] + struct.pack("<HH", 65_535, 65_535) + frame[10:]
    bitmap = file_of(scene(8, 8), "BMP")
    yield "claims-most.bmp", bitmap[:18] + struct.pack("<ii", 2**31 - 1, 2**31 - 1) + bitmap[26:]


def odd_sizes() -> Iterator[Hostile]:
    """Nothing, a single pixel, and lines."""
    yield "0x0.png", png(0, 0, b"")
    yield "0x5.png", png(0, 5, bytes(5))
    yield "0x0.bmp", file_of(scene(8, 8), "BMP")[:18] + bytes(8) + bytes(200)
    for width, height in ((1, 1), (1, 20_000), (20_000, 1), (2, 1)):
        yield f"{width}x{height}.png", file_of(scene(width, height), "PNG")
    yield "1x1.jpg", file_of(scene(1, 1), "JPEG")
    yield "1x1.webp", file_of(scene(1, 1), "WEBP")
    yield "1x1.avif", file_of(scene(1, 1), "AVIF")
    yield "1x20000.jpg", file_of(scene(1, 20_000), "JPEG")


def odd_modes() -> Iterator[Hostile]:
    """Everything that is not three times eight bits."""
    yield "cmyk.jpg", file_of(scene().convert("CMYK"), "JPEG")
    yield "cmyk.tif", file_of(scene().convert("CMYK"), "TIFF")
    yield "lab.tif", file_of(scene().convert("LAB"), "TIFF")
    yield "grey.png", file_of(scene().convert("L"), "PNG")
    yield "grey.jpg", file_of(scene().convert("L"), "JPEG")
    yield "bits.png", file_of(scene().convert("1"), "PNG")
    yield "palette.png", file_of(scene().quantize(16), "PNG")
    yield "clear-palette.png", file_of(scene().quantize(16), "PNG", transparency=0)
    yield "clear-colour.png", file_of(scene(), "PNG", transparency=(0, 0, 255))
    clear = scene().convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(clear.size))
    for suffix, kind in (("png", "PNG"), ("webp", "WEBP"), ("avif", "AVIF"), ("tif", "TIFF")):
        yield f"clear.{suffix}", file_of(clear, kind)
    yield "clear.heic", heic(clear)
    yield "grey-clear.png", file_of(clear.convert("LA"), "PNG")
    ramp = np.linspace(0, 65_535, 48 * 36).reshape(36, 48).astype(np.uint16)
    yield "16-bit-grey.png", file_of(Image.fromarray(ramp), "PNG")
    yield "16-bit-grey.tif", file_of(Image.fromarray(ramp), "TIFF")
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in ramp)
    yield "16-bit-colour.png", png(48, 36, rows, 16)
    yield "32-bit.tif", file_of(Image.fromarray(ramp.astype(np.int32)), "TIFF")
    yield "fractions.tif", file_of(Image.fromarray((ramp / 65_535).astype(np.float32)), "TIFF")
    yield "large-fractions.tif", file_of(Image.fromarray(ramp.astype(np.float32)), "TIFF")
    yield "no-number.tif", file_of(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF")


def moving() -> Iterator[Hostile]:
    """The scene first, then others."""
    others = [Image.new("RGB", (48, 36), colour) for colour in ("red", "lime", "blue")]
    for suffix, kind in (("gif", "GIF"), ("png", "PNG"), ("webp", "WEBP"), ("avif", "AVIF")):
        options = {"lossless": True} if suffix == "webp" else {}
        yield f"moving.{suffix}", file_of(scene(), kind, save_all=True, append_images=others, duration=50, **options)
    yield "pages.tif", file_of(scene(), "TIFF", save_all=True, append_images=others)


def turned() -> Iterator[Hostile]:
    """The scene as cameras store it that are held in each of the eight ways; and tags that are damaged."""
    for orientation in TURNS:
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        stored = as_stored(scene(), orientation)
        yield f"turned-{orientation}.png", file_of(stored, "PNG", exif=exif)
        yield f"turned-{orientation}.jpg", file_of(stored, "JPEG", exif=exif, quality=100, subsampling=0)
        yield f"turned-{orientation}.webp", file_of(stored, "WEBP", exif=exif, lossless=True)
    for number in (0, 9, 65_535):
        exif = Image.Exif()
        exif[_ORIENTATION] = number
        yield f"turned-{number}.jpg", file_of(scene(), "JPEG", exif=exif)
    yield "damaged-tags.jpg", file_of(scene(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff" + bytes(9))


def as_stored(upright: Image.Image, orientation: int) -> Image.Image:
    """What a camera stores with an `orientation` of EXIF, which says where the first row and column belong.

    By the table of the standard (CIPA DC-008, tag 274): row 0 is the visual top, bottom, left or right.
    """
    pixels = np.asarray(upright)
    if orientation in (3, 4):
        pixels = pixels[::-1]
    if orientation in (2, 3):
        pixels = pixels[:, ::-1]
    if orientation >= 5:
        pixels = pixels[:, ::-1] if orientation in (6, 7) else pixels
        pixels = pixels[::-1] if orientation in (7, 8) else pixels
        pixels = pixels.transpose(1, 0, 2)
    return Image.fromarray(np.ascontiguousarray(pixels))


def colorants(profile: bytes) -> dict[bytes, tuple[float, float, float]]:
    """The colours, as XYZ under D50, that a profile gives red, green and blue."""
    primaries = {}
    for name in (b"rXYZ", b"gXYZ", b"bXYZ"):
        at = _place(profile, name)
        primaries[name] = tuple(number / 65_536 for number in struct.unpack(">iii", profile[at : at + 12]))
    return primaries


def srgb_profile() -> bytes:
    """The profile of sRGB."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def profile_of(**colours: tuple[float, float, float]) -> bytes:
    """The profile of sRGB with other colours, and without its name, so that it is not taken for what it was."""
    profile = bytearray(srgb_profile())
    for name, xyz in colours.items():
        at = _place(profile, name.encode())
        profile[at : at + 12] = struct.pack(">iii", *(round(number * 65_536) for number in xyz))
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "ours".encode("utf-16-be"))


def swapped_profile() -> bytes:
    """In which red and blue have changed places."""
    own = colorants(srgb_profile())
    return profile_of(rXYZ=own[b"bXYZ"], bXYZ=own[b"rXYZ"])


# The colours of Display P3 under D50, as Apple's profile has them.
DISPLAY_P3 = {
    "rXYZ": (0.51512, 0.2412, -0.00105),
    "gXYZ": (0.29198, 0.69225, 0.04189),
    "bXYZ": (0.1571, 0.06657, 0.78407),
}


def _place(profile: bytes | bytearray, name: bytes) -> int:
    """Where the numbers of a tag begin: its entry in the table holds its offset, and 8 bytes there name its type."""
    count = struct.unpack(">I", profile[128:132])[0]
    for entry in range(132, 132 + 12 * count, 12):
        if profile[entry : entry + 4] == name:
            return int(struct.unpack(">I", profile[entry + 4 : entry + 8])[0]) + 8
    raise KeyError(name)


def profiled() -> Iterator[Hostile]:
    """With colour profiles that are right, wrong and broken."""
    plain = srgb_profile()
    yield "srgb.png", file_of(scene(), "PNG", icc_profile=plain)
    for suffix, kind in (("png", "PNG"), ("jpg", "JPEG"), ("webp", "WEBP"), ("avif", "AVIF"), ("tif", "TIFF")):
        yield f"swapped.{suffix}", file_of(scene(), kind, icc_profile=swapped_profile())
    yield "display-p3.png", file_of(scene(), "PNG", icc_profile=profile_of(**DISPLAY_P3))
    yield "not-for-grey.png", file_of(scene().convert("L"), "PNG", icc_profile=swapped_profile())
    yield "not-for-print.jpg", file_of(scene().convert("CMYK"), "JPEG", icc_profile=swapped_profile())
    yield "no-profile.png", file_of(scene(), "PNG", icc_profile=b"no profile" * 30)
    yield "cut-profile.jpg", file_of(scene(), "JPEG", icc_profile=plain[:200])


def no_pictures() -> Iterator[Hostile]:
    """What is something else."""
    drawing = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>'
    yield "drawing.svg", drawing
    yield "drawing.png", drawing
    yield "text.png", b"This is a text. " * 100
    yield "nothing.png", b""
    yield "zeros.jpg", bytes(1000)
    yield "page.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n"
    yield "archive.png", b"PK\x03\x04" + bytes(100)
    yield "signature.png", b"\x89PNG\r\n\x1a\n"
    yield "signature.jpg", b"\xff\xd8\xff"
    yield "signature.webp", b"RIFF\0\0\0\0WEBP"
    yield "signature.avif", b"\0\0\0\x1cftypavif" + bytes(16)
    yield "signature.heic", b"\0\0\0\x1cftypheic" + bytes(16)
    yield "large.png", bytes(20_000_001)
    rng = np.random.default_rng(0)
    content = bytearray(file_of(scene(), "PNG"))
    for place in rng.integers(8, len(content), 20):
        content[place] ^= 0xFF
    yield "damaged.png", bytes(content)


def odd_names() -> Iterator[Hostile]:
    """A picture, under names that would do harm where they are used or shown as they are."""
    content = file_of(scene(), "PNG")
    for name in (
        "../../../etc/passwd",
        "..\\..\\windows\\system32\\a.png",
        "/etc/shadow.png",
        "nul\0.png",
        "a" * 296 + ".png",
        "photo\u202egnp.exe",
        "\u05ea\u05de\u05d5\u05e0\u05d4.png",
        "<img src=x onerror=alert(1)>.png",
        "**bold** [link](http://example.org) $x$ :red[r].png",
        "line\nbreak\r.png",
        "half\ud800.png",
        "a\u0301\u0327" * 40 + ".png",
        "",
        ".",
        "...png",
        "CON.png",
        "\U0001f600.png",
    ):
        yield name, content
