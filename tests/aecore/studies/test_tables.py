"""The tables of docs/results.md hold what the store and the published curves hold."""

import shutil
from pathlib import Path

import pytest

from aecore.models import zoo
from aecore.runs.store import Store
from aecore.studies import tables
from aecore.studies.pca_curves import pca_curve

CHECKPOINTS = Path(__file__).parents[3] / "checkpoints"
RESULTS = (Path(__file__).parents[3] / "docs" / "results.md").read_text()


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.fixture(scope="module")
def store() -> Store:
    return Store(CHECKPOINTS)


def test_the_results_page_has_the_tables_of_what_is_published(store: Store) -> None:
    assert tables.results_table(store) in RESULTS
    assert tables.compressing_table(store) in RESULTS


def test_a_compressor_stands_beside_pca_of_as_many_numbers(store: Store) -> None:
    pca = pca_curve("cifar10", CHECKPOINTS)
    rows = cells(tables.compressing_table(store))
    assert [row[0] for row in rows] == [name for name in zoo.SYSTEMS if name.startswith("compress-")]
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
