"""UMAP of a run's codes: stored beside the runs, and made again where anything that decides it differs."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from aecore.data import datasets
from aecore.measuring import codes, maps
from aecore.measuring.maps import MapError
from aecore.runs.store import Store
from aecore.studies import code_maps
from tests.optional import needs_umap


@needs_umap
@pytest.mark.slow
def test_a_map_is_made_once_per_run_and_data_set(tmp_path: Path) -> None:
    run, dataset = Store().find("compress-64"), datasets.load("mnist-excerpt")
    asked = []

    def positions() -> Tensor:
        asked.append(1)
        taken = codes.codes(run.model(), datasets.load("sample").test.pixels[:120]).flatten(1)
        return maps.principal(taken).positions

    first = code_maps.umap_of(run, dataset, 120, positions, tmp_path)
    assert first.shape == (120, 2)
    assert torch.equal(code_maps.umap_of(run, dataset, 120, positions, tmp_path), first)
    assert len(asked) == 1
    code_maps.umap_of(Store().find("dense"), dataset, 120, positions, tmp_path)
    code_maps.umap_of(run, dataset, 119, positions, tmp_path)
    assert len(asked) == 3


def test_without_its_package_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maps, "find_spec", lambda name: None)
    with pytest.raises(MapError, match=r"requirements-umap\.txt"):
        code_maps.umap_of(
            Store().find("compress-64"), datasets.load("sample"), 20, lambda: torch.zeros(20, 2), tmp_path
        )
