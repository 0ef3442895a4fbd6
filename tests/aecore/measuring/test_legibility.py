"""Legibility: the share of reconstructions whose class is read, and the metric of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from aecore.data import datasets
from aecore.data.noise import Noise, noisy
from aecore.data.splits import Split, to_float
from aecore.measuring import legibility
from aecore.measuring.classifiers import DESIGNS, ClassifierError, load
from aecore.measuring.metrics import METRICS, ScoreError
from aecore.measuring.scoring import joined, per_picture, score
from aecore.reconstructors.pca import Identity
from aecore.runs import store

PICTURES = 120


@pytest.fixture(scope="module")
def test_split() -> Split:
    test = datasets.load("cifar10-excerpt").test
    return Split(test.pixels[:PICTURES], test.labels[:PICTURES])


def test_the_class_is_read_from_what_the_model_makes_of_the_noisy_pictures(test_split: Split) -> None:
    model, noise = store.load("dense"), Noise("gaussian", 0.2)
    classifier, right = load(DESIGNS["cifar10"]), []
    for picture, (pixels, label) in enumerate(zip(test_split.pixels, test_split.labels, strict=True)):
        given = noisy(to_float(pixels[None]), noise, 3, [picture])
        right.append(float(classifier(model(given)).item() == label))
    assert legibility.right(model, test_split, noise, seed=3).tolist() == right
    assert legibility.accuracy(model, test_split, noise, seed=3) == np.mean(right)
    assert 0 < np.mean(right) < 1


def test_less_of_the_class_is_left_where_pictures_are_blurred(test_split: Split) -> None:
    originals = legibility.accuracy(Identity(3072), test_split)
    assert legibility.accuracy(store.load("dense"), test_split) < originals - 0.1
    assert legibility.accuracy(store.load("shallow-strided-bn"), test_split) > originals - 0.05


def test_the_metric_is_the_same_picture_by_picture(test_split: Split) -> None:
    model = store.load("dense")
    rows = joined(score(model, test_split, metrics=("mse", "legible"), batch=50))
    assert rows["legible"].tolist() == legibility.right(model, test_split).tolist()
    read = legibility.classes_read(model, test_split).numpy()
    counts = pd.crosstab(test_split.labels.numpy(), read)
    assert rows["legible"].sum() == np.trace(counts.reindex(index=range(10), columns=range(10), fill_value=0))


def test_the_metric_needs_labels_and_pictures_that_the_classifier_knows() -> None:
    pictures, labels = torch.zeros(2, 3, 32, 32), torch.zeros(2, dtype=torch.int64)
    assert per_picture(pictures, pictures, ("legible",), labels)["legible"].isin([0.0, 1.0]).all()
    with pytest.raises(ScoreError, match="Class read needs the class of every picture"):
        per_picture(pictures, pictures, ("legible",))
    rule = METRICS["legible"]
    for name in DESIGNS:
        source = datasets.load(name)
        rule.require(source.shape, source.classes)
    for name in ("cifar100", "fashion-mnist", "sample"):
        source = datasets.load(name)
        with pytest.raises(ScoreError, match="no classifier for these pictures: only for those of CIFAR-10 and MNIST"):
            rule.require(source.shape, source.classes)
    with pytest.raises(ScoreError, match="no classifier for these pictures"):
        per_picture(torch.zeros(2, 3, 40, 40), torch.zeros(2, 3, 40, 40), ("legible",), labels)


def test_a_damaged_classifier_is_told_by_the_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    (tmp_path / DESIGNS["cifar10"].file).write_bytes(b"nothing")
    with pytest.raises(ScoreError, match="is damaged: remove it"):
        METRICS["legible"].require((3, 32, 32))
    with pytest.raises(ClassifierError, match="is damaged"):
        legibility.accuracy(Identity(3072), datasets.load("cifar10-excerpt").test)
