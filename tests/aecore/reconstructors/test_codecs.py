"""JPEG, WebP and AVIF as reconstructors: what comes back is what the file on disk says."""

import re
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.measuring.metrics import mse, psnr
from aecore.reconstructors.codecs import FORMATS, Codec, CodecError, find

ROOT = Path(__file__).parents[3]
KINDS = tuple(FORMATS)
OPTIONS: dict[tuple[str, int], dict[str, Any]] = {
    ("jpeg", 1): {"optimize": True},
    ("jpeg", 3): {"optimize": True, "subsampling": "4:4:4"},
    ("webp", 1): {"method": 6},
    ("webp", 3): {"method": 6},
    ("avif", 1): {"codec": "aom", "subsampling": "4:0:0"},
    ("avif", 3): {"codec": "aom", "subsampling": "4:4:4"},
}


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    """Sixteen crops of photographs, `[16, 3, 32, 32]`."""
    return to_float(datasets.load("sample").test.pixels[:16])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_pictures_are_those_of_a_file_on_disk(
    kind: str, channels: int, photographs: Tensor, tmp_path: Path
) -> None:
    pictures = photographs[:4, :channels]
    codec = Codec(kind, 60, tuple(pictures.shape[1:]))
    sizes, output = codec.file_sizes(pictures), codec(pictures)
    assert (output.shape, output.dtype) == (pictures.shape, torch.float32)
    for picture, size, back in zip(pictures, sizes, output, strict=True):
        pixels = (picture.permute(1, 2, 0) * 255).round().byte().numpy()
        path = tmp_path / f"picture.{kind}"
        Image.fromarray(pixels.squeeze()).save(path, quality=60, **OPTIONS[kind, channels])
        assert path.stat().st_size == int(size)
        with Image.open(path) as image:
            read = np.asarray(image.convert("L" if channels == 1 else "RGB")).reshape(32, 32, channels)
        assert np.array_equal((back.permute(1, 2, 0) * 255).round().byte().numpy(), read)


@pytest.mark.parametrize("kind", KINDS)
def test_a_better_quality_is_a_larger_file_and_a_nearer_picture(kind: str, photographs: Tensor) -> None:
    codecs = [Codec(kind, quality) for quality in (10, 40, 70, 95)]
    sizes = [float(codec.file_sizes(photographs).double().mean()) for codec in codecs]
    errors = [float(mse(codec(photographs), photographs).mean()) for codec in codecs]
    assert all(worse < better for worse, better in pairwise(sizes))
    assert all(worse > better for worse, better in pairwise(errors))


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_quality_gives_a_grey_picture_back(kind: str, photographs: Tensor) -> None:
    grey = photographs.mean(1, keepdim=True)
    output = Codec(kind, 100, (1, 32, 32))(grey)
    assert float(psnr(mse(output, grey).mean())) > 45


@pytest.mark.parametrize("kind", KINDS)
def test_values_outside_are_clamped(kind: str, photographs: Tensor) -> None:
    codec, loud = Codec(kind, 80), photographs * 3 - 1
    assert torch.equal(codec(loud), codec(loud.clamp(0, 1)))
    assert 0 <= float(codec(loud).min()) <= float(codec(loud).max()) <= 1


def test_values_between_two_levels_are_rounded_to_the_nearest(photographs: Tensor) -> None:
    codec, inner = find("jpeg-90"), photographs.clamp(0.1, 0.9).mul(255).round() / 255
    for off in (-0.4, 0.4):
        assert torch.equal(codec(inner + off / 255), codec(inner))


def test_the_header_of_a_jpeg_is_its_segments_and_hardly_more() -> None:
    """A walk through the segments (ITU-T T.81, annex B) finds the same but for the few bits of a grey picture."""
    codec = find("jpeg-75")
    (file,) = codec.encode(torch.full((1, 3, 32, 32), 128 / 255))
    position = 2  # after the start of the image
    markers: list[int] = []
    while not markers or markers[-1] != 0xDA:
        markers.append(file[position + 1])
        position += 2 + int.from_bytes(file[position + 2 : position + 4], "big")
    assert {0xDB, 0xC0, 0xC4, 0xDA} <= set(markers), "quantisation tables, frame, Huffman tables, scan"
    assert len(file) == codec.header
    assert position + 2 < codec.header <= position + 2 + 20


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("quality", [5, 50, 95])
def test_no_photograph_costs_less_than_the_header(kind: str, quality: int, photographs: Tensor) -> None:
    codec = Codec(kind, quality)
    assert 20 < codec.header < int(codec.file_sizes(photographs).min())


def test_a_codec_has_a_name_and_the_numbers_of_its_picture() -> None:
    codec = find("webp-0")
    assert codec == Codec("webp", 0)
    assert (codec.name, codec.code_size) == ("webp-0", 3072)
    assert find("avif-50", (1, 28, 28)).code_size == 784


@pytest.mark.parametrize("name", [f"{kind}-{quality}" for kind in KINDS for quality in (FORMATS[kind].lowest, 100)])
def test_both_ends_of_the_qualities_are_there(name: str, photographs: Tensor) -> None:
    assert find(name)(photographs[:1]).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jpg-75", "did you mean jpeg-75?"),
        ("JPEG-75", "did you mean jpeg-75?"),
        ("jpeg", "did you mean jpeg-75?"),
        ("jpg-750", "did you mean jpeg-100?"),
        ("jpeg-7.5", "did you mean jpeg-75?"),
        ("wepb-10", "did you mean webp-10?"),
        ("shallow-strided", "jpeg-1 to jpeg-100, webp-0 to webp-100, avif-0 to avif-100"),
        ("jpeg-0", "from 1 to 100, not 0: the nearest is jpeg-1."),
        ("avif-101", "from 0 to 100, not 101: the nearest is avif-100."),
    ],
)
def test_a_wrong_name_is_told_the_nearest(name: str, message: str) -> None:
    with pytest.raises(CodecError, match=re.escape(message)):
        find(name)


def test_pictures_of_other_channels_are_refused(photographs: Tensor) -> None:
    with pytest.raises(CodecError, match="3×32×32, not 1×32×32"):
        find("jpeg-75")(photographs[:, :1])
    with pytest.raises(CodecError, match="1 or 3 channels, not 2×8×8"):
        find("jpeg-75", (2, 8, 8))


def test_a_pillow_without_the_format_says_so(photographs: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.SAVE, "AVIF")
    with pytest.raises(CodecError, match="does not support AVIF"):
        find("avif-50")(photographs)


@pytest.mark.parametrize("quality", [75, 100])
def test_a_large_picture_of_pure_noise_becomes_a_file(quality: int) -> None:
    picture = torch.rand(1, 3, 400, 400, generator=torch.Generator().manual_seed(0))
    codec = find(f"jpeg-{quality}")
    (file,) = codec.encode(picture)
    assert len(file) > 400 * 400
    # By Pillow alone, with the tables of the standard.
    pixels = (picture[0] * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "jpeg", quality=quality, subsampling="4:4:4")
    expected = torch.from_numpy(np.asarray(Image.open(buffer)).copy()).permute(2, 0, 1) / 255
    torch.testing.assert_close(codec(picture)[0], expected)
