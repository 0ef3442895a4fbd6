"""What every kind of model makes of noise in a real browser is what torch makes of it on the server."""

from random import Random

from playwright.sync_api import Page

from aecore.data.noise import KINDS
from tests import optional
from tests.browser import equality

OUTPUT = 1e-3  # of a network's values, which lie between 0 and 1
DECIBELS = 0.01


def test_outputs_and_scores_are_those_of_torch(page: Page, dashboard: str) -> None:
    optional.onnxruntime_web()
    cases = equality.cases(len(equality.systems()), Random(18))
    assert {case.noise.kind for case in cases} == set(KINDS)
    apart = list(equality.compared(page, dashboard, cases))
    assert len(apart) == len({one.case.system for one in apart}) >= 20
    for one in apart:
        assert one.output <= OUTPUT, one
        assert one.psnr <= DECIBELS, one
        assert one.ssim < 1e-3, one
    print(f"at most {max(one.output for one in apart):.2g} and {max(one.psnr for one in apart):.2g} dB apart")
