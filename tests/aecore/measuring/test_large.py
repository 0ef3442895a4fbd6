"""The scores of a photograph in bands are those of the whole."""

from math import inf, isnan

import pytest
import torch

from aecore.measuring import large, metrics


@pytest.mark.parametrize("size", [(11, 40), (256, 30), (266, 30), (267, 30), (700, 333)])
def test_bands_give_the_scores_of_the_whole(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(1, 3, *size, generator=generator)
    output = target + 0.3 * torch.randn(target.shape, generator=generator)
    scores = large.scores(output, target)
    error = metrics.mse(output, target)
    assert scores["mse"] == pytest.approx(float(error), rel=1e-5)
    assert scores["psnr"] == pytest.approx(float(metrics.psnr(error)), rel=1e-5)
    assert scores["ssim"] == pytest.approx(float(metrics.ssim(output, target)), abs=1e-5)


def test_a_picture_smaller_than_the_window_has_no_ssim() -> None:
    picture = torch.rand(1, 3, 10, 2000)
    scores = large.scores(picture, picture)
    assert (scores["mse"], scores["psnr"]) == (0, inf)
    assert isnan(scores["ssim"])
