"""Published figures: what was written is what is read, or a sentence says which file to make again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore.files import figures
from aecore.files.figures import MissingError, PublishedError

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
REMEDY = "`make it` makes it again."
RESERVED = ("format", "sha256", "dataset")  # names that have a meaning of their own


@given(facts=st.dictionaries(st.text().filter(lambda name: name not in RESERVED), values, max_size=4))
def test_what_was_written_is_read(facts: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("published") / "new" / "figures.json"
    figures.write(path, facts)
    assert figures.read(path, "cifar10", dict, REMEDY) == facts
    assert [file.name for file in path.parent.iterdir()] == ["figures.json"]


def test_every_changed_character_is_found_or_means_the_same(tmp_path: Path) -> None:
    path, facts = tmp_path / "figures.json", {"mse": [0.25, 0.125], "name": "pca"}
    figures.write(path, facts)
    text, messages = path.read_text(), list[str]()
    for place in range(len(text)):
        path.write_text(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])
        try:
            content = figures.read(path, "cifar10", dict, REMEDY)
        except PublishedError as error:
            messages.append(str(error))
        else:
            assert content == facts  # a space became another, say
    assert len(messages) > 100
    assert set(messages) == {f"figures.json is damaged: {REMEDY}"}


def test_a_missing_file_and_another_version_are_told(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    with pytest.raises(MissingError, match=r"figures\.json is missing: `make it`"):
        figures.read(path, "cifar10", dict, REMEDY)
    figures.write(path, {"format": 99})
    with pytest.raises(PublishedError, match="another version"):
        figures.read(path, "cifar10", dict, REMEDY)
    assert json.loads(path.read_text())["format"] == 99


def test_figures_of_another_data_set_or_with_other_names_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    figures.write(path, {"dataset": "mnist", "mse": [0.5]})
    with pytest.raises(PublishedError, match=r"figures\.json was measured on mnist: `make it`"):
        figures.read(path, "cifar10", dict, REMEDY)
    builders: list[Callable[[dict[str, Any]], object]] = [
        lambda facts: facts["psnr"],
        lambda facts: int(**facts),
        lambda facts: facts["mse"].keys(),
    ]
    for build in builders:
        with pytest.raises(PublishedError, match="another version"):
            figures.read(path, "mnist", build, REMEDY)


def test_what_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)  # whoever runs this may read everything
    with pytest.raises(PublishedError, match=r"figures\.json cannot be read \(Permission denied\): `make it`"):
        figures.read(tmp_path / "figures.json", "cifar10", dict, REMEDY)


def test_what_cannot_be_written_says_so_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishedError, match="set AECORE_CHECKPOINTS"):
        figures.write(tmp_path / "file" / "figures.json", {})
    with pytest.raises(PublishedError, match="set AECORE_CHECKPOINTS"):
        figures.check(tmp_path / "file" / "figures.json")
    figures.check(tmp_path / "new" / "figures.json")
    assert not list((tmp_path / "new").iterdir())
