"""`data`: which data sets are here."""

import re
from pathlib import Path
from typing import Any

import pytest

from aecore.data import catalog


def test_the_data_sets_are_told_with_whether_they_are_here(aecore: Any, tmp_path: Path) -> None:
    rows = {row["name"]: row for row in aecore("data", "status", "--json").json}
    assert list(rows) == list(catalog.NAMES)
    assert [name for name, row in rows.items() if row["here"]] == [*catalog.EXCERPTS, *catalog.CROPS]
    assert rows["cifar10"]["pictures"] == 60_000
    assert rows["cifar10"]["path"] == str(tmp_path / "data" / "cifar-10-batches-py")
    assert re.search(r"cifar10 .* no ", aecore("data", "status").out)


def test_real_data_is_told_as_here(aecore: Any, real_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_DATA", str(real_data))
    here = {row["name"]: row["here"] for row in aecore("data", "status", "--json").json}
    assert here["cifar10"]
