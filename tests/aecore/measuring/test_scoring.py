"""Scoring a split: the same rows in batches as whole, by the metrics that are named."""

import pandas as pd
import pytest
from torch import Tensor

from aecore.data import splits
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Split
from aecore.measuring.metrics import BASIC
from aecore.measuring.scoring import BATCH, per_picture, score
from tests.aecore.rounding import EXACT


class Darker:
    name, code_size = "darker", 3072

    def __call__(self, pictures: Tensor) -> Tensor:
        return pictures * 0.9


@pytest.mark.parametrize("noise", [None, Noise("gaussian", 0.1)])
def test_scoring_a_split_in_batches_gives_what_scoring_it_whole_gives(
    colour: Split, noise: Noise | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = splits.to_float(colour.pixels).double()
    # In float64, as in float32 batches of another size may be added up in another order.
    monkeypatch.setattr("aecore.measuring.scoring.to_float", lambda pixels: splits.to_float(pixels).double())
    batches = list(score(Darker(), colour, noise, seed=3))
    assert [len(batch) for batch in batches] == [BATCH, 30]
    rows = pd.concat(batches, ignore_index=True)
    expected = per_picture(Darker()(noisy(whole, noise, 3, range(len(colour)))), whole)
    assert rows["picture"].tolist() == list(range(BATCH + 30))
    assert rows["label"].tolist() == colour.labels.tolist()
    pd.testing.assert_frame_equal(rows[list(BASIC)], expected, rtol=EXACT, atol=0)


def test_a_split_is_scored_by_the_metrics_that_are_named(colour: Split) -> None:
    few = Split(colour.pixels[:5], colour.labels[:5])
    (rows,) = score(Darker(), few, metrics=("psnr", "gmsd"))
    assert list(rows) == ["picture", "label", "psnr", "gmsd"]
    clean = splits.to_float(few.pixels)
    pd.testing.assert_frame_equal(rows[["psnr", "gmsd"]], per_picture(clean * 0.9, clean, ("psnr", "gmsd")))
