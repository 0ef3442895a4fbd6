"""The tables of docs/results.md hold what the store and the published curves hold."""

import re
import shutil
from dataclasses import replace
from math import log
from pathlib import Path

import pytest

from aecore.data import datasets
from aecore.models import zoo
from aecore.reconstructors.denoisers import METHODS
from aecore.runs.store import Store
from aecore.studies import claim_scores, denoising, legibility, rates, resolution, tables, verdicts
from aecore.studies.denoising import NO_NETWORK, REFERENCES, TABLE_LEVELS, Bits, Curves, Point
from aecore.studies.pca_curves import pca_curve
from aecore.studies.rates import Curve, Lead, Rates
from aecore.studies.rates import Point as RatePoint
from tests.aecore.studies.made_up_resolution import SMALL as THREE_SIZES
from tests.aecore.studies.published_denoising import CURVES
from tests.aecore.studies.published_legibility import SMALL

ROOT = Path(__file__).parents[3]
CHECKPOINTS = ROOT / "checkpoints"
RESULTS = (ROOT / "docs" / "results.md").read_text()


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(CHECKPOINTS)


def test_the_results_page_has_the_tables_of_what_is_published(store: Store) -> None:
    assert tables.results_table(store) in RESULTS
    assert tables.compressing_table(store) in RESULTS


def test_the_results_page_has_the_verdicts_on_the_claims() -> None:
    assert tables.claims_table(claim_scores.published(CHECKPOINTS).judgements) in RESULTS


def test_a_compressor_stands_beside_pca_of_as_many_numbers(store: Store) -> None:
    pca = pca_curve("cifar10", CHECKPOINTS)
    rows = cells(tables.compressing_table(store))
    assert [row[0] for row in rows] == [name for name in zoo.SYSTEMS if re.fullmatch("compress-[0-9]+", name)]
    for name, numbers, error, linear, ratio, _, epochs, _ in rows:
        size, run = int(numbers.replace(",", "")), store.find(name)
        assert size == run.spec.architecture.code_size == int(name.removeprefix("compress-"))
        assert float(error) == pytest.approx(float(run.scores()["mse"].mean()), abs=5e-6)
        assert float(linear) == pytest.approx(pca.mse[pca.components.index(size)], abs=5e-6)
        assert float(ratio) == pytest.approx(float(error) / float(linear), abs=0.03)
        assert int(epochs) == zoo.SYSTEMS[name].recipe.epochs


def test_without_the_published_curve_pca_is_a_dash(tmp_path: Path) -> None:
    for run in Store(CHECKPOINTS).listing().runs:
        if run.name.startswith("compress-"):
            shutil.copytree(run.path, tmp_path / run.path.name)
    for row in cells(tables.compressing_table(Store(tmp_path))):
        assert row[3:5] == ["–", "–"]


def test_the_table_has_the_best_of_each_level_in_bold() -> None:
    rows = tables.denoising_table(CURVES).splitlines()
    assert rows[0] == "| denoiser | pictures | 0.01 | 0.03 | 15/255 | 25/255 | 50/255 | 0.1 | 0.3 | 0.5 | 1 |"
    assert rows[2] == "| blur | 9 | – | – | – | – | – | 24.81 | – | – | – |"
    assert rows[3] == "| wiener | 9 | – | – | – | – | – | **27.20** | **22.10** | – | – |"
    worse_there = replace(CURVES.points[2], psnr_subset=24.0)
    rows = tables.denoising_table(replace(CURVES, points=(*CURVES.points[:2], worse_there))).splitlines()
    assert rows[2:] == [
        "| blur | 9 | – | – | – | – | – | **24.81** | – | – | – |",
        "| wiener | 9 | – | – | – | – | – | 27.20 | **22.10** | – | – |",
    ]


def test_what_is_learned_is_told_over_the_references_with_its_interval() -> None:
    over = {"wiener": (1.234, 1.1, 1.4), "bm3d": (-0.05, -0.2, 0.1)}
    learned = Point("denoise-030", 0.3, 9, 22.5, 0.1, 22.0, 0.8, 22.4, 0.8, over)
    rows = tables.denoising_comparison(Curves("cifar10", "f" * 64, (*CURVES.points, learned))).splitlines()
    assert rows[0] == "| denoiser | over | 0.01 | 0.03 | 15/255 | 25/255 | 50/255 | 0.1 | 0.3 | 0.5 | 1 |"
    assert rows[2:] == [
        "| denoise-030 | wiener | – | – | – | – | – | – | **+1.23 (+1.10 to +1.40)** | – | – |",
        "| denoise-030 | bm3d | – | – | – | – | – | – | −0.05 (−0.20 to +0.10) | – | – |",
    ]


def test_shares_of_the_possible_gain_stand_beside_the_bits() -> None:
    points = [
        Point(name, level, 9, pooled + 0.2, 0.1, pooled, 0.8, pooled, 0.8, {})
        for name, level, pooled in (("wiener", 0.1, 27.36), ("wiener", 1.0, 17.66), ("denoise-unet", 0.1, 28.36))
    ]
    bits = Bits("no network", 9, 4.684, 0.037, 4.6861), Bits("denoise-unet", 9, 4.5, 0.036, 4.4985, (0.0371, 1.189207))
    rows = tables.ceiling_table(Curves("cifar10", "f" * 64, tuple(points), bits=bits)).splitlines()
    assert rows[0].startswith("| denoiser | 15/255 | 25/255 | 0.1 | 50/255 | 0.3 | 0.5 | 1 | bits per value |")
    assert rows[2:] == [
        "| least possible error, dB | 32.39 | 29.47 | 29.36 | 25.77 | 23.63 | 21.24 | 18.33 | – | – | – |",
        "| wiener, dB | – | – | 27.36 | – | – | – | 17.66 | 4.68 ± 0.04 | – | +0.002 |",
        "| denoise-unet | – | – | 50% | – | – | – | – | 4.50 ± 0.04 | 0.037 to 1.2 | −0.002 |",
        "| DDPM, published | – | – | – | – | – | – | – | 3.37 to 3.51 | – | – |",
        "| IDDPM, published | – | – | – | – | – | – | – | 2.94 to 3.17 | – | – |",
    ]


def test_the_results_page_has_the_tables_of_every_denoiser(store: Store) -> None:
    curves = denoising.curves("cifar10", CHECKPOINTS)
    assert tables.denoising_table(curves) in RESULTS
    assert tables.denoising_comparison(curves) in RESULTS
    assert tables.ceiling_table(curves) in RESULTS
    trained = [name for name, system in zoo.SYSTEMS.items() if system.family == "denoising"]
    blind = [name for name in trained if (noise := zoo.find(name).recipe.noise) and noise.low is not None]
    assert [bits.name for bits in curves.bits] == [NO_NETWORK, *blind]
    assert sorted(curves.names) == sorted(["noisy", *METHODS, *trained])
    assert curves.fingerprint == datasets.load("cifar10").fingerprint
    assert curves.weights == {name: store.find(name).files["weights.safetensors"]["sha256"] for name in trained}


def test_the_rates_table_has_leads_in_bold_and_where_they_are() -> None:
    points = [
        RatePoint(3, 1, 64, bits, 0.01, over_pca=Lead(decibels, 0.02), over_plain=Lead(zone, 0.01))
        for bits, decibels, zone in ((50, 0.7, 0.9), (1200, 0.25, 0.02), (1500, 0.125, 0.06), (2000, -0.5, 0.01))
    ]
    measured = Rates(
        "cifar10",
        "",
        "",
        (
            Curve("ahead", "autoencoder", tuple(points), best=1),
            Curve("behind", "autoencoder", tuple(points[3:]), best=0),
            Curve("pca", "pca", (RatePoint(3, 1, 64, 100, 0.01, over_plain=Lead(0.04, 0.01)),)),
            Curve("jpeg", "codec", (replace(points[3], zone=None, over_plain=None),), best=0),
        ),
    )
    assert cells(tables.rates_table(measured)) == [
        ["ahead", "50 to 1,500", "**+0.25 (+0.23 to +0.27)**", "1,200", "20.00", "0.06"],
        ["behind", "nowhere", "−0.50 (−0.52 to −0.48)", "2,000", "20.00", "0.01"],
        ["pca", "–", "–", "–", "–", "0.04"],
        ["jpeg", "nowhere", "−0.50 (−0.52 to −0.48)", "2,000", "20.00", "–"],
    ]


def test_what_has_a_header_has_a_row_with_it_and_one_without() -> None:
    points = tuple(
        RatePoint(3, None, 64, bits, error, 24, psnr_mean=mean)
        for bits, error, mean in ((300, 0.1, 12), (2000, 0.01, 21))
    )
    bare = tuple(replace(point, header=0) for point in points)
    measured = Rates(
        "cifar10",
        "",
        "",
        (
            Curve("dense", "autoencoder", bare),
            Curve("compress-64", "autoencoder", bare),
            Curve("avif", "codec", points),
        ),
    )
    within = [log(bits / 300) / log(2000 / 300) for bits in (0.34 * 1024, 1.12 * 1024)]
    without = [f"{start + step * share:.2f}" for share in within for start, step in ((10, 10), (12, 9))]
    rows = cells(tables.bits_per_pixel_table(measured))
    assert [row[0] for row in rows] == ["compress-64", "avif", "avif, without its header", "hyperprior, published"]
    assert rows[0][1:] == rows[2][1:] == without
    assert all(float(counted) < float(bare) for counted, bare in zip(rows[1][1:], without, strict=True))
    assert rows[3][1:] == ["–", "24.20", "–", "30.77"]
    assert set(cells(tables.bits_per_pixel_table(replace(measured, curves=measured.curves[:1])))[0][1:]) == {
        "–",
        "24.20",
        "30.77",
    }


def test_the_results_page_has_the_tables_of_rates() -> None:
    published = rates.curves("cifar10", CHECKPOINTS)
    assert tables.rates_table(published) in RESULTS
    assert tables.bits_per_pixel_table(published) in RESULTS


def test_the_u_net_is_better_where_the_results_page_says() -> None:
    curves = denoising.curves("cifar10", CHECKPOINTS)
    better = {
        reference: [
            level for level in TABLE_LEVELS if (at := curves.at("denoise-unet", level)) and at.over[reference][1] > 0
        ]
        for reference in REFERENCES
    }
    assert better == {"wiener": list(TABLE_LEVELS[2:]), "bm3d": list(TABLE_LEVELS[3:])}
    weakest = {name: curves.at(name, TABLE_LEVELS[0]) for name in ("noisy", "denoise-unet")}
    assert weakest["noisy"].psnr - weakest["denoise-unet"].psnr == pytest.approx(0.5, abs=0.05)


def test_the_table_of_readings_has_drops_in_bold_and_what_is_confused() -> None:
    assert cells(tables.legibility_table(SMALL)) == [
        ["the originals", "90.0", "–", "–", "–", "40.0"],
        ["dense", "50.0", "**+40.0 (+22.2 to +57.8)**", "–", "cat read as dog: 20% → 80%", "35.0"],
        ["denoise-030", "86.7", "+3.3 (−5.0 to +10.0)", "45.0", "cat read as dog: 20% → 30%", "–"],
    ]


def test_the_results_page_has_the_tables_of_readings() -> None:
    for name in legibility.PUBLISHED:
        published = legibility.published(name, CHECKPOINTS)
        assert published is not None
        assert tables.legibility_table(published) in RESULTS


def test_the_results_page_has_the_spread_of_the_systems_under_both_budgets() -> None:
    scores = claim_scores.published(CHECKPOINTS).scores
    for budget in verdicts.BUDGETS:
        assert tables.spread_table(scores, budget) in RESULTS
    (head, *_), (short_head, *_) = (cells(tables.spread_table(scores, budget)) for budget in verdicts.BUDGETS)
    assert len(head) == len(short_head) + 2, "the study's figure belongs to the full budget alone"


def test_the_tables_of_resolution_have_each_cell_and_leads_that_are_shown_in_bold() -> None:
    rows = cells(tables.resolution_table(THREE_SIZES))
    assert [row[:2] for row in rows[:3]] == [["shallow-maxpool", f"{side}×{side}"] for side in (32, 64, 96)]
    # The half-width for six seeds around 25: t(5, 97.5%) = 2.5706 times 0.23664 / sqrt(6).
    assert rows[0][2] == "25.00 ± 0.25"
    assert rows[2][6:] == ["8", "92.2", "3.0×"]
    assert rows[-5:-2] == [
        ["JPEG", f"{side}×{side}", "–", "–", height, *"––––"]
        for side, height in ((32, "44.00"), (64, "47.00"), (96, "49.00"))
    ]
    assert [row[:3] for row in rows[-2:]] == [
        ["32×32 enlarged", "64×64", "30.00"],
        ["32×32 enlarged", "96×96", "27.00"],
    ]
    ranking = cells(tables.resolution_ranking(THREE_SIZES))
    assert ranking[0][1].startswith("shallow-strided **+1.0 dB (")
    assert ranking[2][1].startswith("shallow-strided +0.1 dB (")
    assert ranking[2][2].startswith("deep-strided-8 ")


def test_the_results_page_has_the_tables_of_resolution() -> None:
    study = resolution.published(CHECKPOINTS)
    assert tables.resolution_table(study) in RESULTS
    assert tables.resolution_ranking(study) in RESULTS
    assert resolution.summary(study) in RESULTS.replace("\n", " ")
