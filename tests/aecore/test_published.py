"""Published figures: what was written is what is read, or a sentence says which file to make again."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore import published
from aecore.published import PublishedError

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
REMEDY = "`make it` makes it again."


@given(facts=st.dictionaries(st.text().filter(lambda name: name not in ("format", "sha256")), values, max_size=4))
def test_what_was_written_is_read(facts: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("published") / "new" / "figures.json"
    published.write(path, facts)
    assert published.read(path, REMEDY) == facts
    assert [each.name for each in path.parent.iterdir()] == ["figures.json"]


def test_every_changed_character_is_found_or_means_the_same(tmp_path: Path) -> None:
    path, facts = tmp_path / "figures.json", {"mse": [0.25, 0.125], "name": "pca"}
    published.write(path, facts)
    text, told = path.read_text(), list[str]()
    for place in range(len(text)):
        path.write_text(text[:place] + chr(ord(text[place]) ^ 1) + text[place + 1 :])
        try:
            found = published.read(path, REMEDY)
        except PublishedError as error:
            told.append(str(error))
        else:
            assert found == facts  # a space became another, say
    assert len(told) > 100
    assert set(told) == {f"figures.json is damaged: {REMEDY}"}


def test_a_missing_file_and_another_version_are_told(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    with pytest.raises(PublishedError, match=r"figures\.json is missing: `make it`"):
        published.read(path, REMEDY)
    published.write(path, {"format": 99})
    with pytest.raises(PublishedError, match="another version"):
        published.read(path, REMEDY)
    assert json.loads(path.read_text())["format"] == 99


def test_what_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PublishedError, match="set AECORE_CHECKPOINTS"):
        published.write(tmp_path / "file" / "figures.json", {})
