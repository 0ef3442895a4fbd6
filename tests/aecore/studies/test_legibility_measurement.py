"""Measuring legibility: what is published follows from the real pictures, and nothing is measured twice."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from aecore.data import datasets
from aecore.data.noise import Noise
from aecore.data.splits import Split, to_float
from aecore.measuring import classifiers, legibility, probes
from aecore.measuring.classifiers import DESIGNS, Design
from aecore.runs.store import Store
from aecore.studies import classifier_training, legibility_measurement
from aecore.studies import legibility as published
from aecore.studies.classifier_training import Epoch
from tests.aecore.measuring.test_classifiers import SMALL, weights

PICTURES, LEARNED_FROM = 40, 300


@pytest.fixture
def root(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a model that has a code, one that has none, and a denoiser; probes learn from a few pictures."""
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    monkeypatch.setattr(legibility_measurement, "PROBED", LEARNED_FROM)
    monkeypatch.setattr(legibility_measurement, "BASELINES", ("identity", "jpeg-25"))
    for name in ("deep-strided-4-bn", "denoise-030", "denoise-residual"):
        path = Store().find(name).path
        shutil.copytree(path, tmp_path / path.name)
    return tmp_path


def test_readings_are_those_of_the_first_test_pictures_and_are_measured_once(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, sentences = Store(root), list[str]()
    measured = legibility_measurement.publish(store, progress=sentences.append, most=PICTURES)
    assert published.published("cifar10", root) == measured
    names = [reading.name for reading in measured.readings]
    assert names == ["identity", "jpeg-25", "deep-strided-4-bn", "denoise-030", "denoise-residual"]
    assert [sentence.split(":")[0] for sentence in sentences] == names
    dataset = datasets.load("cifar10")
    test = Split(dataset.test.pixels[:PICTURES], dataset.test.labels[:PICTURES])
    labels, classifier = test.labels.numpy(), classifiers.load(DESIGNS["cifar10"])
    originals = classifier(to_float(test.pixels)).numpy() == labels
    for name in ("deep-strided-4-bn", "denoise-030"):
        reading, noise = measured.of(name), store.find(name).spec.recipe.noise
        assert reading is not None
        read = legibility.classes_read(store.load(name), test, noise, seed=0).numpy()
        counts = pd.crosstab(labels, read).reindex(index=range(10), columns=range(10), fill_value=0)
        np.testing.assert_array_equal(reading.counts, counts)
        drops = originals.astype(float) - (read == labels)
        low, high = stats.t.interval(0.95, PICTURES - 1, drops.mean(), stats.sem(drops))
        assert (reading.drop, reading.low, reading.high) == pytest.approx((drops.mean(), low, high), abs=5e-5)
        assert (reading.accuracy_given is None) == (noise is None)
    assert [reading.probe is None for reading in measured.readings] == [False, True, False, False, True]

    def refuse(*arguments: object) -> None:
        raise AssertionError("measured twice")

    monkeypatch.setattr(legibility, "classes_read", refuse)
    monkeypatch.setattr(probes, "fit", refuse)
    assert legibility_measurement.publish(store, progress=sentences.append, most=PICTURES) == measured


def test_the_probe_of_the_originals_is_one_of_their_pixels(root: Path) -> None:
    dataset = datasets.load("cifar10")
    parts = (dataset.train, LEARNED_FROM), (dataset.validation, 5_000), (dataset.test, PICTURES)
    (train, held_out, test) = (to_float(split.pixels[:count]).flatten(1) for split, count in parts)
    probe = probes.fit(train, dataset.train.labels[:LEARNED_FROM], held_out, dataset.validation.labels)
    expected = probe.accuracy(test, dataset.test.labels[:PICTURES])
    subject = legibility_measurement.Subject("identity")
    assert legibility_measurement.probed(subject, dataset, Store(root), PICTURES) == expected


def test_the_noise_of_codes_has_the_level_and_the_seed_that_are_asked_for() -> None:
    test = datasets.load("cifar10-excerpt").test
    split = Split(test.pixels[:4], test.labels[:4])
    noise = Noise("gaussian", 0.3)
    one, other = (legibility_measurement._codes(lambda pictures: pictures, split, noise, seed) for seed in (0, 1))
    clean = to_float(split.pixels).flatten(1)
    for noisy_codes in (one, other):
        assert float((noisy_codes - clean).std()) == pytest.approx(0.3, rel=0.05)
    assert not torch.equal(one, other)


def test_a_missing_classifier_is_trained_once_and_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = list[str]()

    def train(design: Design, dataset: object) -> list[Epoch]:
        trainings.append(design.dataset)
        return [Epoch(1, 1.0, 0.5, weights(design))]

    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(classifier_training, "train", train)
    for _ in range(2):
        dataset = datasets.load("cifar10")
        legibility_measurement.ensure_classifier(SMALL, dataset, Store(tmp_path), lambda sentence: None)
    assert trainings == ["cifar10"]
    assert (tmp_path / SMALL.file).is_file()
