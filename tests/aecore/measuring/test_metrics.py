"""Metrics: they agree with scikit-image and piq, picture by picture, and mean what their table says."""

import re
from collections.abc import Callable
from math import isfinite
from pathlib import Path

import numpy as np
import pandas as pd
import piq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage import data as photographs
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torch import Tensor, nn
from torchvision.models import vgg16

from aecore.data import datasets, splits
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Split
from aecore.measuring.metrics import BASIC, METRICS, VSI_BATCH, ScoreError, mse, parse, psnr, ssim
from aecore.measuring.scoring import per_picture
from tests.aecore.rounding import EPS, EXACT, SHOWN, in_decibels, of_mse, of_sum

LEARNED = ("lpips", "dists")  # they need weights that are not here
CHANNELS = (64, 128, 256, 512, 512)  # of the layers of VGG-16 that these look at
COMPUTED = [name for name, rule in METRICS.items() if name not in LEARNED and rule.against == "picture"]
OF_PIQ: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "gmsd": piq.gmsd,
    "ms-gmsd": piq.multi_scale_gmsd,
    "haarpsi": piq.haarpsi,
    "fsim": lambda output, target: piq.fsim(output, target, chromatic=target.shape[1] == 3),
    "mdsi": piq.mdsi,
    "vsi": piq.vsi,
    "dss": piq.dss,
}


@pytest.fixture(scope="module", params=["3×32×32", "1×28×28"])
def clean(request: pytest.FixtureRequest, colour: Split) -> Tensor:
    pictures = splits.to_float(colour.pixels[:40])
    return pictures if request.param == "3×32×32" else pictures[:, 1:2, 2:30, 2:30]


def expected_ssim(output: Tensor, target: Tensor) -> list[float]:
    return [
        structural_similarity(
            *pair, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=0
        )
        for pair in zip(output.clamp(0, 1).double().numpy(), target.double().numpy(), strict=True)
    ]


@pytest.mark.parametrize("level", [0.02, 0.1, 0.3, 1.0])
def test_every_metric_agrees_with_scikit_image(clean: Tensor, level: float) -> None:
    output = noisy(clean, Noise("gaussian", level), 0, range(len(clean)))
    pairs = list(zip(clean.double().numpy(), output.clamp(0, 1).double().numpy(), strict=True))
    exact, rows = per_picture(output.double(), clean.double()), per_picture(output, clean)
    assert list(rows) == list(BASIC)
    np.testing.assert_allclose(exact["mse"], [mean_squared_error(*pair) for pair in pairs], rtol=EXACT)
    np.testing.assert_allclose(
        exact["psnr"], [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs], rtol=EXACT
    )
    np.testing.assert_allclose(exact["ssim"], expected_ssim(output, clean), rtol=EXACT)
    assert_single_precision_suffices(rows, exact, clean)


def assert_single_precision_suffices(rows: pd.DataFrame, exact: pd.DataFrame, target: Tensor) -> None:
    """In float32 MSE and PSNR stay within the bounds of rounding. The other scores have no bound of use: theirs is that
    the decimals that are shown are right."""
    assert list(rows) == list(exact)
    bound = of_mse(target[0])
    allowed = {"mse": {"rtol": bound}, "psnr": {"rtol": 0, "atol": in_decibels(bound)}}
    for name in exact:
        np.testing.assert_allclose(rows[name], exact[name], err_msg=name, **allowed.get(name, {"atol": SHOWN}))


@pytest.mark.parametrize("double", [False, True])
def test_ssim_is_piqs_to_the_last_bit(clean: Tensor, double: bool) -> None:
    """So that published scores do not change."""
    output = noisy(clean, Noise("gaussian", 0.2), 0, range(len(clean)))
    pair = [images.double() if double else images for images in (output, clean)]
    layout = [images.contiguous(memory_format=torch.channels_last) for images in (pair[0].clamp(0, 1), pair[1])]
    expected = piq.ssim(*layout, data_range=1.0, reduction="none", downsample=False)
    assert torch.equal(ssim(*pair), expected)


def test_ssim_agrees_with_scikit_image_on_a_photograph() -> None:
    photograph = torch.from_numpy(photographs.astronaut()).permute(2, 0, 1)[None, :, :400, :400] / 255
    output = noisy(photograph, Noise("gaussian", 0.2), 0, [0])
    expected = expected_ssim(output, photograph)
    np.testing.assert_allclose(ssim(output.double(), photograph.double()), expected, rtol=EXACT)
    np.testing.assert_allclose(ssim(output, photograph), expected, atol=SHOWN)


def test_what_lies_outside_the_unit_interval_is_clamped_first(clean: Tensor) -> None:
    output = noisy(clean, Noise("gaussian", 1.0), 0, range(len(clean)))
    assert output.min() < 0
    assert output.max() > 1
    pd.testing.assert_frame_equal(per_picture(output, clean), per_picture(output.clamp(0, 1), clean))


def test_a_perfect_reconstruction_has_no_error(clean: Tensor) -> None:
    rows = per_picture(clean, clean)
    assert (rows["mse"] == 0).all()
    assert (rows["psnr"] == np.inf).all()
    # A window's variance is a difference of nearly equal numbers: in float32 only the decimals that are shown are sure.
    np.testing.assert_allclose(rows["ssim"], 1, atol=SHOWN)
    np.testing.assert_allclose(ssim(clean.double(), clean.double()), 1, rtol=EXACT)


def defined(name: str, shape: tuple[int, ...]) -> bool:
    try:
        METRICS[name].require(shape)
    except ScoreError:
        return False
    return True


def test_the_other_metrics_of_a_batch_are_those_that_piq_gives_for_each_picture(clean: Tensor) -> None:
    target = clean[: VSI_BATCH + 2]
    output = noisy(target, Noise("gaussian", 0.1), 0, range(len(target)))
    names = [name for name in OF_PIQ if defined(name, tuple(target.shape[1:]))]
    assert len(names) == (7 if target.shape[1] == 3 else 4)
    exact = per_picture(output.double(), target.double(), names)
    for name in names:
        pairs = zip(output.double().clamp(0, 1).split(1), target.double().split(1), strict=True)
        expected = [float(OF_PIQ[name](*pair)) for pair in pairs]
        # DSS keeps its subbands' similarities in float32, whatever the pictures are in.
        np.testing.assert_allclose(exact[name], expected, rtol=EPS if name == "dss" else EXACT, err_msg=name)
    assert_single_precision_suffices(per_picture(output, target, names), exact, target)


def test_gmsd_is_that_of_its_paper(clean: Tensor) -> None:
    output = noisy(clean, Noise("gaussian", 0.2), 0, range(len(clean))).clamp(0, 1)

    def gradients(picture: np.ndarray) -> np.ndarray:
        """Prewitt's of the luminance over 2×2 pixels, `[H / 2, W / 2]`."""
        luminance = np.tensordot([0.299, 0.587, 0.114], picture, 1) if len(picture) == 3 else picture[0]
        halved = luminance.reshape(luminance.shape[0] // 2, 2, -1, 2).mean((1, 3))
        slopes = [ndimage.prewitt(halved, axis, mode="constant") / 3 for axis in (0, 1)]
        return np.asarray(np.hypot(*slopes))

    expected = []
    for one, other in zip(output.double().numpy(), clean.double().numpy(), strict=True):
        x, y = gradients(one), gradients(other)
        expected.append(((2 * x * y + 170 / 255**2) / (x**2 + y**2 + 170 / 255**2)).std())
    exact = per_picture(output.double(), clean.double(), ["gmsd"])
    np.testing.assert_allclose(exact["gmsd"], expected, rtol=EXACT)
    assert_single_precision_suffices(per_picture(output, clean, ["gmsd"]), exact, clean)


@pytest.mark.parametrize("name", COMPUTED)
def test_the_same_picture_scores_best(name: str, colour: Split) -> None:
    pictures = splits.to_float(colour.pixels[:6])
    rule = METRICS[name]
    best = rule.range[1] if rule.higher_is_better else rule.range[0]
    for same in (pictures, pictures.double()):
        # MDSI is the fourth root of a deviation, and so is what rounding leaves of it.
        allowed = torch.finfo(same.dtype).eps ** 0.25 if name == "mdsi" else SHOWN
        np.testing.assert_allclose(rule.compute(same, same), best, atol=allowed)


@pytest.mark.parametrize("name", COMPUTED)
def test_every_value_lies_in_the_range_that_the_table_names(name: str, colour: Split) -> None:
    pictures = splits.to_float(colour.pixels[:2])
    flat = [torch.full_like(pictures, level) for level in (0.0, 1.0)]
    checks = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * torch.ones_like(pictures)
    draws = torch.rand(pictures.shape, generator=torch.Generator().manual_seed(0))
    kinds = [pictures, 1 - pictures, pictures.flip(0), pictures * 4 - 2, *flat, checks, draws]
    low, high = METRICS[name].range
    for target in (pictures, *flat, checks):
        for output in kinds:
            for pair, allowed in (((output, target), SHOWN), ((output.double(), target.double()), EXACT)):
                values = METRICS[name].compute(*pair)
                assert values.shape == (2,)
                assert not values.isnan().any()
                assert values.min() >= low - allowed
                assert values.max() <= high + allowed


@pytest.mark.parametrize("name", COMPUTED)
def test_more_noise_is_worse_by_every_metric(name: str) -> None:
    photographs = splits.to_float(datasets.load("sample").test.pixels[::100])
    numbers = range(len(photographs))
    means = [
        float(METRICS[name].compute(noisy(photographs, Noise("gaussian", level), 0, numbers), photographs).mean())
        for level in (0.02, 0.05, 0.1, 0.2, 0.4)
    ]
    assert means == sorted(means, reverse=METRICS[name].higher_is_better)
    assert len(set(means)) == len(means)


@given(levels=st.tuples(st.floats(0.01, 2), st.floats(0.01, 2)), seed=st.integers(0, 2**31))
def test_more_of_the_same_noise_never_raises_the_psnr_of_a_picture(levels: tuple[float, float], seed: int) -> None:
    photographs = splits.to_float(datasets.load("sample").test.pixels[:8])
    # Each value's error rises in float32 too, as rounding keeps the order; what is added up is rounded in float64.
    less, more = (
        per_picture(
            noisy(photographs, Noise("gaussian", level), seed, range(8)).double(), photographs.double(), ["psnr"]
        )["psnr"]
        for level in sorted(levels)
    )
    assert (more <= less + EXACT).all()


def test_the_table_says_what_each_metric_means() -> None:
    assert tuple(METRICS)[:3] == BASIC
    assert len({rule.title for rule in METRICS.values()}) == len(METRICS)
    for rule in METRICS.values():
        assert rule.range[0] < rule.range[1]
        assert re.search(r" (19|20)\d\d$", rule.source)
        assert rule.meaning.startswith(rule.sees)
        assert ("higher" if rule.higher_is_better else "lower") + " is better" in rule.meaning
        assert rule.meaning.endswith(f"({rule.source}).")
    assert "From 0 dB up, higher is better" in METRICS["psnr"].meaning
    assert "From −1 to 1, higher is better" in METRICS["ssim"].meaning
    assert "From 0 to 0.5, lower is better" in METRICS["gmsd"].meaning


@pytest.mark.parametrize("name", ["ssim", "ms-gmsd", "haarpsi", "dss"])
def test_the_smallest_picture_of_a_metric_is_where_piq_begins_to_give_numbers(name: str) -> None:
    side = METRICS[name].smallest
    draw = torch.Generator().manual_seed(0)
    least = torch.rand(2, 2, 1, side, side, generator=draw)
    assert METRICS[name].compute(*least).isfinite().all()
    smaller = torch.rand(2, 2, 1, side - 1, side - 1, generator=draw)
    with pytest.raises(ScoreError, match=f"at least {side}×{side} pixels, got 1×{side - 1}×{side - 1}"):
        METRICS[name].compute(*smaller)
    try:
        value = {"ssim": piq.ssim, **OF_PIQ}[name](*smaller)
    except ValueError:
        return
    assert not isfinite(value)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("dss", (1, 28, 28), "DSS needs pictures of at least 32×32 pixels, got 1×28×28."),
        ("mdsi", (1, 28, 28), "MDSI needs pictures of 3 channels, got 1×28×28."),
        ("vsi", (1, 32, 32), "VSI needs pictures of 3 channels, got 1×32×32."),
        ("gmsd", (2, 32, 32), "GMSD needs pictures of 1 or 3 channels, got 2×32×32."),
        ("haarpsi", (3, 32, 15), "HaarPSI needs pictures of at least 16×16 pixels, got 3×32×15."),
    ],
)
def test_a_metric_that_is_not_defined_for_a_shape_says_so(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ScoreError) as caught:
        per_picture(torch.zeros(1, *shape), torch.zeros(1, *shape), [name])
    assert str(caught.value) == message


def test_metrics_are_named_in_a_line() -> None:
    assert parse("gmsd") == ("gmsd",)
    assert parse(" FSIM, gmsd,fsim") == ("fsim", "gmsd")
    assert parse("gmsd,all") == tuple(METRICS)
    for text, message in [("fsm", "'fsm': did you mean fsim? Metrics: mse, psnr, "), ("", "'': Metrics: mse, psnr, ")]:
        with pytest.raises(ScoreError, match=re.escape(f"There is no metric {message}")):
            parse(text)


def test_a_picture_smaller_than_the_window_is_refused() -> None:
    assert ssim(torch.zeros(1, 1, 11, 11), torch.zeros(1, 1, 11, 11)).item() == pytest.approx(1)
    for shape in [(1, 3, 10, 32), (1, 3, 32, 10)]:
        with pytest.raises(ScoreError, match=r"at least 11×11 pixels, got 3×(10×32|32×10)"):
            per_picture(torch.zeros(shape), torch.zeros(shape))


def test_mse_is_the_mean_over_all_values_of_each_picture() -> None:
    target = torch.zeros(2, 3, 2, 2)
    output = target.clone()
    output[1, 0, 0, 0], output[1, 2, 1, 1] = 0.6, 7.0
    assert mse(output, target).tolist() == pytest.approx([0, 1.36 / 12])
    assert psnr(torch.tensor([0.01, 1.0])).tolist() == pytest.approx([20, 0])


@pytest.mark.parametrize("name", LEARNED)
def test_weights_that_are_not_here_are_named_with_how_to_get_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ScoreError) as caught:
        METRICS[name].compute(*torch.zeros(2, 1, 3, 32, 32))
    title = name.upper()
    assert str(caught.value) == (
        f"{title} needs vgg16-397923af.pth and {name}_weights.pt in {tmp_path / 'hub' / 'checkpoints'}: "
        f"`python -c 'import piq; piq.{title}()'` downloads the half gigabyte once."
    )
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where torch finds weights of the right shapes: VGG-16's are drawn at random, the metrics' all count the same."""
    folder = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    draw = torch.Generator().manual_seed(0)
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in vgg16().state_dict().items()}
    features = {
        key: torch.randn(shape, generator=draw) * (2 / shape[1:].numel()) ** 0.5
        if len(shape) > 1
        else torch.zeros(shape)
        for key, shape in shapes.items()
        if key.startswith("features")
    }
    # Of what comes after the features nothing is used: one number stands for all of it, instead of half a gigabyte.
    unused = {key: torch.zeros(1).expand(shape) for key, shape in shapes.items() if key not in features}
    share = 1 / (2 * (3 + sum(CHANNELS)))
    torch.save(features | unused, folder / "vgg16-397923af.pth")
    torch.save([torch.ones(1, count, 1, 1) for count in CHANNELS], folder / "lpips_weights.pt")
    alike = torch.full((1, 3 + sum(CHANNELS), 1, 1), share)
    torch.save({"alpha": alike, "beta": alike}, folder / "dists_weights.pt")
    return folder


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained':UserWarning", "ignore:Arguments other than a weight")
@pytest.mark.parametrize("name", LEARNED)
def test_a_network_whose_weights_are_here_is_asked(
    name: str, network: Path, colour: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(network.parent.parent))
    clean = splits.to_float(colour.pixels[:4]).double()
    outputs = [noisy(clean, Noise("gaussian", level), 0, range(4)) for level in (0.0, 0.1, 0.4)]
    same, near, far = (per_picture(output, clean, [name])[name] for output in outputs)
    # DISTS is 1 less a sum with weights that were divided by their own sum in float32.
    np.testing.assert_allclose(same, 0, atol=of_sum(2 * (3 + sum(CHANNELS))))
    assert (near < far).all()
    alone = METRICS[name].compute(outputs[1][2:3], clean[2:3])
    assert near[2] == pytest.approx(alone.item(), rel=EXACT)
    if name == "lpips":
        np.testing.assert_allclose(near, distances(network, outputs[1].clamp(0, 1), clean), rtol=EXACT)
    # piq's DISTS keeps a filter in the precision of its first call; from another place the network is loaded again.
    (tmp_path / "again").symlink_to(network.parent.parent)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "again"))
    single = METRICS[name].compute(outputs[1].float(), clean.float())
    np.testing.assert_allclose(single, near, rtol=SHOWN)


def distances(network: Path, output: Tensor, target: Tensor) -> Tensor:
    """LPIPS with all channels counting the same, by VGG-16 put together by hand, `[N]`."""
    weights = torch.load(network / "vgg16-397923af.pth")
    maps = [(values - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) for values in (output, target)]
    maps = [values / torch.tensor([0.229, 0.224, 0.225])[:, None, None] for values in maps]
    total, place = output.new_zeros(len(output)), 0
    for convolutions in (2, 2, 3, 3, 3):
        for _ in range(convolutions):
            kernel, bias = (weights[f"features.{place}.{part}"].to(output) for part in ("weight", "bias"))
            maps = [nn.functional.conv2d(values, kernel, bias, padding=1).relu() for values in maps]
            place += 2
        one, other = (nn.functional.normalize(values, dim=1, eps=1e-10) for values in maps)
        total += (one - other).square().mean((2, 3)).sum(1)
        maps, place = [nn.functional.max_pool2d(values, 2) for values in maps], place + 1
    return total
