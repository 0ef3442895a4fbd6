"""The study of resolution as it is read: rankings and leads paired by seed, the sentence, and files that are not it."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from aecore.data import datasets
from aecore.files import figures
from aecore.files.figures import MissingError, PublishedError
from aecore.models import zoo
from aecore.studies import resolution
from aecore.studies.resolution import BITS, FIRST, LAST, NAMES, SEEDS, SIDES, VERSION, path_of, published, summary
from tests.aecore.studies.made_up_resolution import SMALL, with_psnr

CHECKPOINTS = Path(__file__).parents[3] / "checkpoints"


def test_the_ranking_and_its_leads_follow_the_means() -> None:
    assert SMALL.ranking(FIRST) == ["shallow-strided", "shallow-maxpool", "deep-strided-8"]
    assert SMALL.ranking(FIRST, "stored") == ["shallow-strided", "deep-strided-8", "shallow-maxpool"]
    assert SMALL.ranking(LAST, "stored") == ["deep-strided-8", "shallow-strided", "shallow-maxpool"]
    leads = SMALL.leads(FIRST)
    assert [(lead.first, lead.second) for lead in leads] == [
        ("shallow-strided", "shallow-maxpool"),
        ("shallow-maxpool", "deep-strided-8"),
    ]
    assert [lead.mean for lead in leads] == pytest.approx([1.0, 3.0])


def test_leads_and_gains_have_the_interval_of_the_paired_t_test() -> None:
    first, second = (np.array(SMALL.cell(name, LAST).psnr) for name in ("shallow-strided", "shallow-maxpool"))
    lead = SMALL.leads(LAST)[0]
    assert (lead.low, lead.high) == pytest.approx(stats.ttest_rel(first, second).confidence_interval(0.95))
    assert not lead.is_shown
    varied = with_psnr("deep-strided-8", LAST, (24.0, 24.5, 25.0, 25.5, 26.0, 26.5))
    last, before = (np.array(varied.cell("deep-strided-8", side).psnr) for side in (LAST, FIRST))
    gain = varied.gain("deep-strided-8")
    assert (gain.low, gain.high) == pytest.approx(stats.ttest_rel(last, before).confidence_interval(0.95))


def test_a_cell_has_the_mean_and_students_interval_of_its_seeds() -> None:
    cell = with_psnr("deep-strided-8", LAST, (24.0, 24.5, 25.0, 25.5, 26.0, 26.5)).cell("deep-strided-8", LAST)
    low, high = stats.t.interval(0.95, 5, loc=25.25, scale=stats.sem(cell.psnr))
    assert cell.mean() == 25.25
    assert (cell.mean() - cell.half(), cell.mean() + cell.half()) == pytest.approx((low, high))
    assert SMALL.cost("deep-strided-8", LAST) == 3.0


def test_the_sentence_says_what_changed_and_what_is_not_shown() -> None:
    text = summary(SMALL)
    assert text.startswith("From 32×32 to 96×96 pixels the PSNR of all three rises: shallow-maxpool +2.0 dB (")
    assert "the order stays shallow-strided, shallow-maxpool, deep-strided-8; not shown at 96×96 is the lead of" in text
    assert "shallow-strided over shallow-maxpool, +0.1 dB (−0.4 to +0.6)." in text
    assert f"At {BITS} bits per pixel, the order changes from shallow-strided, deep-strided-8, shallow-maxpool" in text
    fallen = with_psnr("deep-strided-8", LAST, tuple(SMALL.cell("deep-strided-8", FIRST).psnr))
    assert "does not change alike" in summary(fallen)


def test_what_is_published_is_read_again(tmp_path: Path) -> None:
    figures.write(path_of(tmp_path), {"version": VERSION, **asdict(SMALL)})
    assert published(tmp_path) == SMALL


def test_another_file_is_refused_with_the_command_that_makes_it_again(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="python -m aecore resolution"):
        published(tmp_path)
    figures.write(path_of(tmp_path), {"version": VERSION + 1, **asdict(SMALL)})
    with pytest.raises(PublishedError, match="another version"):
        published(tmp_path)
    facts = json.loads(path_of(tmp_path).read_text())
    facts["cells"][0]["psnr"][0] += 1
    path_of(tmp_path).write_text(json.dumps(facts))
    with pytest.raises(PublishedError, match="damaged"):
        published(tmp_path)


def test_the_published_study_is_of_the_scenes_and_systems_that_are_here() -> None:
    study = published(CHECKPOINTS)
    assert study.fingerprints == {
        name: datasets.load(name).fingerprint for name in ("scenes-32", "scenes-64", "scenes-96")
    }
    assert [(cell.name, cell.side) for cell in study.cells] == [(name, side) for name in NAMES for side in SIDES]
    for cell in study.cells:
        architecture = zoo.SYSTEMS[cell.name].architecture.at((3, cell.side, cell.side))
        assert cell.macs == architecture.macs
        assert cell.numbers * cell.side**2 == architecture.code_size
        assert {len(cell.psnr), len(cell.ssim), len(cell.stored), len(cell.reduced)} == {len(SEEDS)}
    # Of the smallest size the reduced outputs are the outputs.
    assert all(
        study.cell(name, FIRST).reduced == pytest.approx(study.cell(name, FIRST).psnr, abs=2e-3) for name in NAMES
    )
    assert {study.cell(name, side).numbers for name in ("shallow-maxpool", "shallow-strided") for side in SIDES} == {8}
    assert resolution.summary(study)
