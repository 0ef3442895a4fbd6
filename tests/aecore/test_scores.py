"""Scores: they agree with scikit-image, picture by picture."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from skimage import data as photographs
from skimage.metrics import mean_squared_error, peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from aecore import datasets
from aecore.datasets import Split
from aecore.noise import Noise, noisy
from aecore.scores import BATCH, METRICS, ScoreError, Totals, mse, paired_differences, per_picture, psnr, score, ssim


@pytest.fixture(scope="module")
def colour() -> Split:
    """The first test pictures of the real CIFAR-10, or of the embedded sample where that is absent."""
    root = Path(os.environ.get("AECORE_DATA", "nowhere"))
    test = datasets.load(*(("cifar10", root) if datasets.available("cifar10", root) else ("sample",))).test
    return Split(test.pixels[: BATCH + 30], test.labels[: BATCH + 30])


@pytest.fixture(scope="module", params=["3×32×32", "1×28×28"])
def clean(request: pytest.FixtureRequest, colour: Split) -> Tensor:
    pictures = datasets.to_float(colour.pixels[:40])
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
    rows = per_picture(output, clean)
    assert list(rows) == list(METRICS)
    np.testing.assert_allclose(rows["mse"], [mean_squared_error(*pair) for pair in pairs], rtol=1e-4)
    np.testing.assert_allclose(
        rows["psnr"], [peak_signal_noise_ratio(*pair, data_range=1) for pair in pairs], atol=1e-3
    )
    np.testing.assert_allclose(rows["ssim"], expected_ssim(output, clean), atol=1e-4)


def test_ssim_agrees_with_scikit_image_on_a_photograph() -> None:
    photograph = torch.from_numpy(photographs.astronaut()).permute(2, 0, 1)[None, :, :400, :400] / 255
    output = noisy(photograph, Noise("gaussian", 0.2), 0, [0])
    np.testing.assert_allclose(ssim(output, photograph), expected_ssim(output, photograph), atol=1e-4)


def test_what_lies_outside_the_unit_interval_is_clamped_first(clean: Tensor) -> None:
    output = noisy(clean, Noise("gaussian", 1.0), 0, range(len(clean)))
    assert output.min() < 0
    assert output.max() > 1
    pd.testing.assert_frame_equal(per_picture(output, clean), per_picture(output.clamp(0, 1), clean))


def test_a_perfect_reconstruction_has_no_error(clean: Tensor) -> None:
    rows = per_picture(clean, clean)
    assert (rows["mse"] == 0).all()
    assert (rows["psnr"] == np.inf).all()
    np.testing.assert_allclose(rows["ssim"], 1, atol=1e-6)


def test_a_picture_smaller_than_the_window_is_refused() -> None:
    assert ssim(torch.zeros(1, 1, 11, 11), torch.zeros(1, 1, 11, 11)).item() == pytest.approx(1)
    for shape in [(1, 3, 10, 32), (1, 3, 32, 10)]:
        with pytest.raises(ScoreError, match=r"at least 11×11 pixels, got 3×(10×32|32×10)"):
            per_picture(torch.zeros(shape), torch.zeros(shape))


class Darker:
    name, code_size = "darker", 3072

    def __call__(self, pictures: Tensor) -> Tensor:
        return pictures * 0.9


@pytest.mark.parametrize("noise", [None, Noise("gaussian", 0.1)])
def test_scoring_a_split_in_batches_gives_what_scoring_it_whole_gives(colour: Split, noise: Noise | None) -> None:
    batches = list(score(Darker(), colour, noise, seed=3))
    assert [len(batch) for batch in batches] == [BATCH, 30]
    rows = pd.concat(batches, ignore_index=True)
    whole = datasets.to_float(colour.pixels)
    expected = per_picture(Darker()(noisy(whole, noise, 3, range(len(colour)))), whole)
    assert rows["picture"].tolist() == list(range(BATCH + 30))
    assert rows["label"].tolist() == colour.labels.tolist()
    pd.testing.assert_frame_equal(rows[list(METRICS)], expected, rtol=1e-5)


def test_pooled_psnr_is_of_the_mean_error_and_mean_psnr_is_of_the_pictures() -> None:
    totals = Totals.of(pd.DataFrame({"mse": [0.1, 0.001], "psnr": [10.0, 30.0], "ssim": [0.2, 0.6]}))
    assert (totals.pictures, totals.mse, totals.ssim) == (2, pytest.approx(0.0505), pytest.approx(0.4))
    assert totals.psnr_mean == pytest.approx(20)
    assert totals.psnr_pooled == pytest.approx(12.9671, abs=1e-4)


def test_mse_is_the_mean_over_all_values_of_each_picture() -> None:
    target = torch.zeros(2, 3, 2, 2)
    output = target.clone()
    output[1, 0, 0, 0], output[1, 2, 1, 1] = 0.6, 7.0
    assert mse(output, target).tolist() == pytest.approx([0, 1.36 / 12])
    assert psnr(torch.tensor([0.01, 1.0])).tolist() == pytest.approx([20, 0])


def test_the_interval_of_many_pictures_is_students() -> None:
    draw = np.random.default_rng(0)
    first, second = draw.normal(1, 0.3, 400), draw.normal(0.9, 0.3, 400)
    (found,) = paired_differences(pd.DataFrame({"a": first, "b": second}))
    expected = stats.ttest_rel(first, second).confidence_interval()
    assert found.mean == pytest.approx((first - second).mean())
    assert found.low == pytest.approx(expected.low, abs=0.05 * (expected.high - expected.low))
    assert found.high == pytest.approx(expected.high, abs=0.05 * (expected.high - expected.low))


@pytest.mark.parametrize("pictures", [6, 12, 24])
def test_the_interval_holds_the_truth_as_often_as_it_says(pictures: int) -> None:
    draw, trials = np.random.default_rng(pictures), 1000
    held = 0
    for seed in range(trials):
        errors = pd.DataFrame({"skewed": draw.exponential(size=pictures), "its mean": np.ones(pictures)})
        (found,) = paired_differences(errors, seed)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0 <= found.high
    assert 0.91 < held / trials < 0.98


def test_what_does_not_differ_is_not_shown_to_and_what_always_differs_is() -> None:
    same, more = np.linspace(0.1, 0.2, 8), np.linspace(0.1, 0.2, 8) + 0.01
    found = {
        (each.first, each.second): each for each in paired_differences(pd.DataFrame({"a": same, "b": same, "c": more}))
    }
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert not found["a", "b"].is_shown
    assert found["a", "c"].is_shown
    assert (found["a", "c"].low, found["a", "c"].high) == (pytest.approx(-0.01), pytest.approx(-0.01))


def test_of_a_few_pictures_nothing_is_told() -> None:
    (found,) = paired_differences(pd.DataFrame({"a": np.zeros(5), "b": np.ones(5)}))
    assert (found.mean, found.low, found.high, found.is_shown) == (-1, None, None, False)
    assert paired_differences(pd.DataFrame({"a": np.ones(9)})) == []
