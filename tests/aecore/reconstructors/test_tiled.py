"""Pictures of any size: parts give what one pass gives, and tiles show no grid."""

import subprocess
import sys
from collections.abc import Iterator
from math import prod

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from aecore.files import background
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.reconstructor import Reach, Reconstructor
from aecore.reconstructors import codecs, tiled
from aecore.reconstructors.denoisers import METHODS, Denoiser
from aecore.reconstructors.pca import Identity, Projection
from aecore.reconstructors.tiled import at_full_resolution, finished
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store

# Where a code is rounded, the last digit of a number may decide between two steps.
CONVOLUTIONAL = [
    name
    for name, system in zoo.SYSTEMS.items()
    if system.architecture.is_convolutional and not system.architecture.entropy_model
]
FIXED = [
    name
    for name, system in zoo.SYSTEMS.items()
    if not system.architecture.is_convolutional and system.dataset == "cifar10"
]
STEP = 32 // tiled.PER_SIDE  # pixels between tiles of 32×32
SIDE = 256  # of the grey picture
# Orders of additions differ between parts and the whole: some hundred float32 roundings of values around 1.
ROUNDING = 1e-5


@pytest.fixture(autouse=True)
def one_core() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def random(*size: int) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))


def model(line: str) -> Model:
    architecture = Architecture.parse(line)
    torch.manual_seed(0)
    return Model(RunSpec(architecture, Recipe(), "cifar10", "0"), architecture.module().state_dict())


def test_systems_without_dense_layers_take_any_size() -> None:
    assert {"shallow-maxpool", "deep-strided-4-bn", "denoise-unet"} <= set(CONVOLUTIONAL)
    assert {"dense", "conv-dense", "compress-64"} <= set(FIXED)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_parts_give_what_one_pass_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "_SMALLEST", 48)
    monkeypatch.setattr(tiled, "_OVERLAPS", 1)
    trained = Store().load(name)
    picture = random(150, 115)
    shares = []
    steps = at_full_resolution(trained, picture)
    while True:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            output = end.value
            break
    assert len(shares) > 4
    assert shares == sorted(shares)
    # By torch alone: mirrored below and on the right to a multiple of 8, which every stride of the zoo divides.
    padded = torch.nn.functional.pad(picture, (0, 5, 0, 2), mode="reflect")
    with torch.inference_mode():
        whole = trained.module(padded)[..., :150, :115]
    inside = (..., slice(0, 144 - 40), slice(0, 112 - 40))  # strides smaller than 8 mirror less at the far border
    assert (output - whole)[inside].abs().max() < ROUNDING


@pytest.mark.parametrize("name", ["denoise-unet", "deep-maxpool-4"])
def test_a_picture_of_the_size_that_it_was_made_for_is_what_the_model_gives(name: str) -> None:
    trained, picture = Store().load(name), random(32, 32)
    torch.testing.assert_close(finished(at_full_resolution(trained, picture)), trained(picture))


def test_the_reach_is_what_gradients_show() -> None:
    for line in (
        "conv4:k5 | conv4:s2 | up | conv3:k1",
        "pool2 | up:bilinear | conv3",
        "skip | conv4:k2:s2 | conv8:k2:s2 | deconv4:k2 | deconv3:k2 | add",
    ):
        architecture = Architecture.parse(line)
        reach = architecture.reach
        assert reach.pixels is not None
        side = 8 * reach.stride
        module = architecture.module()
        for parameter in module.parameters():
            torch.nn.init.uniform_(parameter, 0.1, 1)
        farthest = 0
        for row in range(3 * reach.stride, 4 * reach.stride):
            picture = torch.rand(1, 3, side, side, requires_grad=True)
            module(picture)[0, :, row, row].sum().backward()
            assert picture.grad is not None
            rows = picture.grad[0].abs().sum((0, 2)).nonzero()[:, 0]
            farthest = max(farthest, int((rows - row).abs().max()))
        # Max pooling hands a gradient to one pixel of its window only.
        assert farthest <= reach.pixels <= farthest + ("pool" in line)


def test_what_sees_everything_is_given_everything() -> None:
    norm = model("conv8 | gn4 | conv8:s2 | up | conv3")
    assert norm.any_size
    assert norm.reach == Reach(None, 2)
    picture = random(300, 41)
    whole = norm(torch.cat([picture, picture[..., -2:-1]], 3))[..., :41]
    torch.testing.assert_close(finished(at_full_resolution(norm, picture)), whole)


@pytest.mark.parametrize(
    "line", ["flatten | dense3072 | reshape3x32x32", "conv3 | reshape3x32x32", "conv4:s3 | up3 | pool2 | up2 | conv3"]
)
def test_layers_whose_maps_do_not_follow_the_picture_take_one_size(line: str) -> None:
    assert not model(line).any_size


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (2, 3), (31, 33), (32, 32)])
@pytest.mark.parametrize("name", ["dense", "denoise-unet"])
def test_every_size_keeps_its_shape(size: tuple[int, int], name: str) -> None:
    picture = random(*size)
    output = finished(at_full_resolution(Store().load(name), picture))
    assert output.shape == picture.shape
    assert output.isfinite().all()


def test_tiles_that_change_nothing_give_the_picture_back() -> None:
    unchanged = Projection("all", (3, 32, 32), torch.zeros(3072), torch.eye(3072))
    picture = random(70, 45)
    torch.testing.assert_close(finished(at_full_resolution(unchanged, picture)), picture, atol=1e-5, rtol=0)


def grid_in(picture: Tensor, period: int) -> list[tuple[float, float]]:
    """The power of a `picture` `[3, SIDE, SIDE]` at each frequency of a grid, and the most of a neighbour's."""
    centred = picture.double() - picture.double().mean((1, 2), keepdim=True)
    power = torch.fft.fft2(centred).abs().square().sum(0).numpy()
    at = SIDE // period
    pairs = []
    for down, across in ((0, at), (at, 0), (at, at)):
        near = np.roll(power, (3 - down, 3 - across), (0, 1))[:7, :7].copy()
        own, near[3, 3] = near[3, 3], 0
        pairs.append((own, float(near.max())))
    return pairs


@pytest.mark.parametrize("name", ["dense", "conv-dense"])
def test_a_grey_picture_shows_no_grid(name: str) -> None:
    output = finished(at_full_resolution(Store().load(name), torch.full((1, 3, SIDE, SIDE), 0.5)))
    for period in (STEP, 2 * STEP, 32):
        for own, neighbour in grid_in(output[0], period):
            assert own < neighbour


def test_tiles_on_a_regular_grid_would_show_it(monkeypatch: pytest.MonkeyPatch) -> None:
    regular = [(row, column) for row in range(0, SIDE + 32, STEP) for column in range(0, SIDE + 32, STEP)]
    monkeypatch.setattr(tiled, "_places", lambda counts, steps: iter(regular))
    output = finished(at_full_resolution(Store().load("dense"), torch.full((1, 3, SIDE, SIDE), 0.5)))
    assert any(own > neighbour for own, neighbour in grid_in(output[0], STEP))


@pytest.mark.parametrize("name", ["blur", "median", "patch-wiener", "nlm", "wavelet"])
def test_classical_methods_in_parts_give_what_one_pass_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "_SMALLEST", 40)
    monkeypatch.setattr(tiled, "_OVERLAPS", 1)
    method = METHODS[name]
    shrink = 0.5 * torch.eye(192) + 0.5 / 192
    settings = {
        "blur": {"width": 1.7},
        "median": {"size": 5.0},
        "patch-wiener": {"mean": torch.full((192,), 0.5), "shrink": shrink},
        "nlm": {"deviation": 0.1, "h": 0.1},
        "wavelet": {},
    }[name]
    denoiser = Denoiser(name, 3072, settings, method.clean, method.any_size, Reach(method.reach(settings)))
    picture = random(90, 77)
    whole = denoiser(picture)
    torch.testing.assert_close(finished(at_full_resolution(denoiser, picture)), whole, atol=ROUNDING, rtol=0)
    if name == "blur":
        truth = gaussian_filter(picture[0, 0].numpy(), 1.7)
        np.testing.assert_allclose(whole[0, 0], truth, atol=1e-6)


def test_codecs_write_the_whole_picture() -> None:
    picture = random(50, 70)
    codec = codecs.find("jpeg-75")
    torch.testing.assert_close(finished(at_full_resolution(codec, picture)), codec(picture))
    with pytest.raises(codecs.CodecError, match="WebP takes pictures of at most 16,383 pixels per side, not 20,000×1"):
        finished(at_full_resolution(codecs.find("webp-75"), torch.zeros(1, 3, 1, 20_000)))


def test_the_identity_gives_the_picture_itself() -> None:
    picture = random(300, 41)
    assert torch.equal(finished(at_full_resolution(Identity(prod((3, 32, 32))), picture)), picture)


def test_who_closes_it_computes_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiled, "_SMALLEST", 16)
    calls = []

    def clean(pictures: Tensor) -> Tensor:
        calls.append(pictures.shape)
        return pictures

    steps = at_full_resolution(Denoiser("counted", 3072, {}, clean, reach=Reach(1)), random(64, 64))
    next(steps)
    next(steps)
    steps.close()
    assert len(calls) == 1
    with pytest.raises(StopIteration):
        next(steps)


@pytest.mark.parametrize(
    ("line", "floats"),
    [
        ("conv32 | gn8 | pool | conv32 | up | conv3:k1:sigmoid", 3 * 32),  # the norm's input, and its output twice
        ("conv32 | skip | gn8 | conv32 | add | conv3", 4 * 32),  # and what bypasses it
        ("conv8:s2 | gn4 | up | conv3", 2 + 8 + 8),  # upsampling, from a quarter of the pixels
    ],
)
def test_the_memory_of_a_pass_is_that_of_its_largest_maps(line: str, floats: int) -> None:
    assert model(line).bytes_per_pixel == 4 * floats


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_the_memory_of_a_pass_is_about_what_torch_takes() -> None:
    line, side = "conv32 | skip | gn8 | conv32 | add | conv3", 1024
    code = (
        "import re, torch; from pathlib import Path; torch.set_num_threads(1);"
        "from aecore.models.architecture import Architecture;"
        f"module = Architecture.parse({line!r}).module().eval().to(memory_format=torch.channels_last);"
        # Not `ru_maxrss`, which begins with that of the process which started this one.
        "peak = lambda: 1024 * int(re.search('VmHWM:.*?([0-9]+)', Path('/proc/self/status').read_text())[1]);"
        f"picture = torch.rand(1, 3, {side}, {side}).contiguous(memory_format=torch.channels_last);"
        "torch.set_grad_enabled(False); module(picture[..., :64, :64]); before = peak(); module(picture);"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=background.ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) / side**2 == pytest.approx(model(line).bytes_per_pixel, rel=0.3)


@pytest.mark.parametrize("name", ["norm", "wavelet", "tv", "avif-75"])
def test_a_picture_that_would_take_too_much_memory_is_refused_before_it_is_computed(name: str) -> None:
    """Of 50 megapixels, of which no memory is touched."""
    picture = torch.zeros(1, 1, 1, 1).expand(1, 3, 5000, 10_000)
    if name == "norm":
        reconstruct: Reconstructor = model("conv32 | gn8 | pool | conv32 | up | conv3:k1:sigmoid")
    elif name in METHODS:
        method = METHODS[name]
        reconstruct = Denoiser(name, 3072, {}, method.clean, bytes_per_pixel=method.bytes_per_pixel)
    else:
        reconstruct = codecs.find(name)
    most = tiled.MOST_MEMORY / 1e6 / reconstruct.bytes_per_pixel  # type: ignore[attr-defined]
    sentence = f"{reconstruct.name} needs all of a picture at once, and takes pictures of at most {most:.3g} megapixels"
    with pytest.raises(tiled.TooLargeError, match=sentence):
        finished(at_full_resolution(reconstruct, picture))


def test_whatever_goes_through_in_one_pass_says_what_memory_it_takes() -> None:
    for name, method in METHODS.items():
        assert bool(method.bytes_per_pixel) == (method.any_size and method.reach({"width": 1, "size": 1}) is None), name
    assert all(kind.bytes_per_pixel for kind in codecs.FORMATS.values())


@pytest.mark.parametrize("shape", [(3, 48, 20), (3, 96, 96), (3, 2, 3)])
def test_tiles_have_the_shape_that_a_model_was_made_for(shape: tuple[int, int, int]) -> None:
    seen = set()

    class Fixed:
        name, code_size, any_size = "fixed", None, False

        def __call__(self, pictures: Tensor) -> Tensor:
            seen.add(tuple(pictures.shape[1:]))
            return pictures

    picture = random(70, 45)
    output = finished(at_full_resolution(Fixed(), picture, shape))
    torch.testing.assert_close(output, picture, atol=1e-5, rtol=0)
    assert seen == {shape}


def test_parts_of_a_network_that_sees_far_fit_into_the_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = model("conv8:s2 | conv8:s2 | conv8:s2 | conv8:k7 | up | up | up | conv3")
    sizes = []

    class Watched(Model):
        def __call__(self, pictures: Tensor) -> Tensor:
            sizes.append(pictures.shape[2] * pictures.shape[3])
            return super().__call__(pictures)

    watched = Watched(deep.spec, deep.module.state_dict())
    assert watched.reach.pixels is not None
    assert watched.reach.pixels > 30
    picture = random(640, 640)
    expected = finished(at_full_resolution(watched, picture))
    before = max(sizes) * watched.bytes_per_pixel
    sizes.clear()
    monkeypatch.setattr(tiled, "MOST_MEMORY", int(before / 3))
    torch.testing.assert_close(finished(at_full_resolution(watched, picture)), expected, atol=ROUNDING, rtol=0)
    assert max(sizes) * watched.bytes_per_pixel <= tiled.MOST_MEMORY
