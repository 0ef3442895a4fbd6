"""Reading: where the words of a line are, and that a line is its words."""

from hypothesis import given

from aecore.models.reading import Line, words_of
from tests.aecore.models.lines import texts


@given(texts())
def test_every_word_is_where_it_is_said_to_be(text: str) -> None:
    words, line = words_of(text), Line.of(text)
    assert [text[word.start : word.stop] for word in words] == [word.text for word in words]
    layers = [word for word in words if word.position is not None]
    assert tuple(word.text for word in layers) == line.words
    assert [word.position for word in layers] == list(range(1, len(line.words) + 1))
    assert [word.text for word in words if word.position is None] == ([line.picture] if line.picture else [])


@given(texts())
def test_a_line_reads_back_from_its_text(text: str) -> None:
    line = Line.of(text)
    assert Line.of(str(line)) == line


def test_an_edited_line_has_other_words_in_the_place_of_some() -> None:
    line = Line.of("1x8x8|a |b|  c")
    assert str(line) == "1x8x8 | a | b | c"
    assert str(line.edited(2)) == "1x8x8 | a | c"
    assert str(line.edited(1, "x", "y")) == "1x8x8 | x | y | b | c"
    assert str(line.edited(4, "z", take=0)) == "1x8x8 | a | b | c | z"
