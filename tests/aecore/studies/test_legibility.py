"""Published readings: read without torch, and only where they belong to the data and the runs that are here."""

import json
import shutil
from dataclasses import asdict, replace
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from aecore.data import datasets
from aecore.files import figures
from aecore.files.figures import PublishedError
from aecore.measuring import legibility as measuring
from aecore.measuring.classifiers import DESIGNS
from aecore.models import zoo
from aecore.reconstructors.pca import Identity
from aecore.runs.store import WEIGHTS, Store
from aecore.studies import legibility
from aecore.studies.legibility import BASELINES, PUBLISHED, VERSION, Confusion
from tests.aecore.studies.published_legibility import BLURRED, CLASSES, DENOISED, ORIGINALS, SMALL

CHECKPOINTS = Path(__file__).parents[3] / "checkpoints"


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_is_whole(name: str) -> None:
    published = legibility.published(name, CHECKPOINTS)
    assert published is not None
    source, design = datasets.load(name), DESIGNS[name]
    assert (published.fingerprint, published.classes) == (source.fingerprint, source.classes)
    assert published.classifier == design.key
    assert (published.parameters, published.macs) == (design.parameters, design.macs)
    systems = [name for name, system in zoo.SYSTEMS.items() if system.dataset == source.name]
    names = [reading.name for reading in published.readings]
    assert [name for name in names if name in systems] == systems
    assert set(names) - set(systems) <= set(BASELINES)
    assert published.weights == {name: Store(CHECKPOINTS).find(name).digest(WEIGHTS) for name in systems}


@pytest.mark.parametrize("name", PUBLISHED)
def test_its_figures_follow_from_its_counts(name: str) -> None:
    published = legibility.published(name, CHECKPOINTS)
    assert published is not None
    originals = np.trace(published.original.counts) / published.pictures
    rows = np.array(published.original.counts).sum(1)
    for reading in published.readings:
        counts = np.array(reading.counts)
        np.testing.assert_array_equal(counts.sum(1), rows)  # the pictures of each class are the same for all
        assert counts.sum() == published.pictures == 10_000
        assert reading.accuracy == pytest.approx(np.trace(counts) / counts.sum(), abs=5e-5)
        assert reading.drop == pytest.approx(originals - reading.accuracy, abs=1.01e-4)
        assert reading.low <= reading.drop <= reading.high
        # Of two shares of the same pictures that share nothing, the difference varies most.
        widest = 1.96 * sqrt((originals * (1 - originals) + reading.accuracy * (1 - reading.accuracy)) / 10_000)
        assert reading.high - reading.low <= 2.3 * widest
        denoiser = reading.name in zoo.SYSTEMS and zoo.SYSTEMS[reading.name].recipe.noise
        assert reading.noise == (str(denoiser) if denoiser else None)
        assert (reading.accuracy_given is not None) == bool(denoiser)
        has_code = reading.name in BASELINES[:-1] or (
            reading.name in zoo.SYSTEMS and zoo.SYSTEMS[reading.name].architecture.code is not None
        )
        assert (reading.probe is not None) == has_code


def test_the_classifier_is_as_good_as_was_asked_for() -> None:
    published = legibility.published("cifar10", CHECKPOINTS)
    assert published is not None
    assert published.original.accuracy >= 0.88


@pytest.mark.parametrize("name", PUBLISHED)
def test_on_the_excerpt_as_many_are_read_as_of_all_test_pictures(name: str) -> None:
    published, test = legibility.published(name, CHECKPOINTS), datasets.load(f"{name}-excerpt").test
    assert published is not None
    right = int(measuring.right(Identity(0), test).sum())
    assert stats.binomtest(right, len(test), published.original.accuracy).pvalue > 0.001


@pytest.mark.slow
def test_the_published_counts_are_those_of_the_real_test_pictures(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    published, test = legibility.published("cifar10", CHECKPOINTS), datasets.load("cifar10").test
    assert published is not None
    for reconstruct, reading in (
        (Identity(0), published.original),
        (Store(CHECKPOINTS).load("dense"), published.of("dense")),
    ):
        counts = pd.crosstab(test.labels.numpy(), measuring.classes_read(reconstruct, test).numpy())
        assert reading is not None
        # Two nearly equal logits may be ordered otherwise on another processor.
        assert np.abs(counts.to_numpy() - np.array(reading.counts)).sum() <= 20


def test_the_worst_confusion_is_the_one_that_grows_the_most() -> None:
    assert SMALL.worst(BLURRED) == Confusion("cat", "dog", 0.8, 0.2)
    assert SMALL.worst(DENOISED) == Confusion("cat", "dog", 0.3, 0.2)
    assert SMALL.worst(ORIGINALS) is None
    better = replace(BLURRED, counts=((9, 1, 0), (0, 10, 0), (0, 0, 10)))
    assert SMALL.worst(better) is None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    figures.write(legibility.path_of(tmp_path, "cifar10"), {"version": VERSION, **asdict(SMALL)})
    return tmp_path


def test_what_was_written_is_read(root: Path) -> None:
    read = legibility.published("cifar10", root)
    assert read == SMALL
    assert read is not None
    assert (read.original, read.of("dense"), read.of("nobody")) == (ORIGINALS, BLURRED, None)
    assert read.classes == CLASSES
    assert legibility.published("sample", root) is None, "a data set without a classifier has no readings"


def test_readings_of_other_weights_are_left_out(root: Path) -> None:
    run = Store().find("dense")
    shutil.copytree(run.path, root / run.path.name)
    for digest, names in ((run.digest(WEIGHTS), ["identity", "dense"]), ("0" * 64, ["identity"])):
        measured = replace(SMALL, readings=SMALL.readings[:2], weights={"dense": digest})
        figures.write(legibility.path_of(root, "cifar10"), {"version": VERSION, **asdict(measured)})
        read = legibility.published("cifar10", root)
        assert read is not None
        assert [reading.name for reading in read.readings] == names


def test_a_missing_or_damaged_file_is_told_with_the_command(root: Path) -> None:
    path = legibility.path_of(root, "cifar10")
    with pytest.raises(PublishedError, match=r"legibility-mnist\.json is missing: `python -m aecore legibility`"):
        legibility.published("mnist", root)
    for facts in (
        {"version": VERSION + 1, **asdict(SMALL)},
        {"version": VERSION, **asdict(replace(SMALL, readings=SMALL.readings[1:]))},
        {"version": VERSION, **{name: value for name, value in asdict(SMALL).items() if name != "classes"}},
    ):
        figures.write(path, facts)
        with pytest.raises(PublishedError, match="written by another version of aecore"):
            legibility.published("cifar10", root)
    path.write_text(json.dumps({"dataset": "cifar10"}))
    with pytest.raises(PublishedError, match="is damaged"):
        legibility.published("cifar10", root)
