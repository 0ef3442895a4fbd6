"""Lists of indices written by hand: every number once, in the written order, or a sentence that says what is legal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aecore.data.index_lists import NumbersError, parse, text_of

numbers = st.lists(st.integers(0, 99), min_size=1, max_size=20)


def test_numbers_and_ranges_come_in_their_order_and_once() -> None:
    assert parse("3, 17, 20-22", below=100, most=9, what="test picture") == (3, 17, 20, 21, 22)
    assert parse("5;4\n3–5  4,", below=100, most=9, what="test picture") == (5, 4, 3)
    assert parse("7-7", below=8, most=1, what="test picture") == (7,)


@given(numbers, st.sampled_from([",", ", ", ";", " ", "\n"]))
def test_what_was_written_is_read(written: list[int], separator: str) -> None:
    text = separator.join(map(str, written))
    assert parse(text, below=100, most=100, what="test picture") == tuple(dict.fromkeys(written))


@given(numbers, st.integers(1, 20))
def test_more_than_the_most_are_refused(written: list[int], most: int) -> None:
    text, distinct = ", ".join(map(str, written)), tuple(dict.fromkeys(written))
    if len(distinct) <= most:
        assert parse(text, below=100, most=most, what="test picture") == distinct
    else:
        with pytest.raises(NumbersError, match=rf"^{len(distinct)} test pictures are too many: give at most {most}\.$"):
            parse(text, below=100, most=most, what="test picture")


def test_a_long_range_is_refused_before_it_is_written_out() -> None:
    with pytest.raises(NumbersError, match="999,999,999 test pictures are too many: give at most 3"):
        parse("1-999999999", below=10**9, most=3, what="test picture")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No test picture is given: "),
        (" ,; ", "No test picture is given: "),
        ("3, four", "'four' is not a test picture: "),
        ("-3", "'-3' is not a test picture: "),
        ("1-2-3", "'1-2-3' is not a test picture: "),
        ("2.5", "'2.5' is not a test picture: "),
        ("1" * 10, f"'{'1' * 10}' is not a test picture: "),
        ("100", "There is no test picture 100: "),
        ("98-100", "There is no test picture 98-100: "),
        ("5-3", "There is no test picture 5-3: "),
    ],
)
def test_what_is_no_such_number_is_refused(text: str, message: str) -> None:
    with pytest.raises(NumbersError) as caught:
        parse(text, below=100, most=9, what="test picture")
    assert str(caught.value) == f"{message}write numbers from 0 to 99, such as 3, 17, 20-25."


def test_numbers_in_a_row_are_written_as_a_range() -> None:
    assert text_of([3, 17, 200, 201, 202, 5, 6]) == "3, 17, 200-202, 5, 6"
    assert text_of([]) == ""


@given(st.lists(st.integers(0, 99), min_size=1, unique=True))
def test_what_is_written_as_a_text_is_read_again(written: list[int]) -> None:
    assert parse(text_of(written), below=100, most=100, what="test picture") == tuple(written)
