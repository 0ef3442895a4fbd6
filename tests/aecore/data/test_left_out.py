"""The sentence about files that are left out: counted once, and named by the reason."""

import re
from pathlib import Path

from aecore.data import left_out
from aecore.data.left_out import FORBIDDEN, INTEGERS, NAMED, NOT_A_PICTURE, UNDECODED, Reason, sentence


def test_files_are_named_by_the_reason() -> None:
    files = {Path("notes.txt"): NOT_A_PICTURE, Path("scan.tif"): INTEGERS, Path("secret.png"): FORBIDDEN}
    assert sentence(files, 40) == (
        "3 of 40 files were left out: notes.txt is not a picture; scan.tif holds signed or 32-bit values, which do not "
        "say which value is white; secret.png may not be read."
    )


def test_one_file_and_several_are_said_in_their_number() -> None:
    assert sentence({Path("a/b.png"): UNDECODED}, 1_000) == (
        "1 of 1,000 files was left out: a/b.png cannot be decoded."
    )
    several = {Path(f"{letter}.txt"): NOT_A_PICTURE for letter in "abc"}
    assert sentence(several, 13).endswith("left out: a.txt, b.txt and c.txt are not pictures.")
    assert sentence({}, 13) == ""


def test_of_many_files_a_few_are_named_and_the_others_are_counted() -> None:
    many = {Path(f"{number:04}.txt"): NOT_A_PICTURE for number in range(1_500)}
    said = sentence(many, 1_600)
    assert said == "1,500 of 1,600 files were left out: 0000.txt, 0001.txt, 0002.txt and 1,497 more are not pictures."
    assert len(re.findall(r"\d{4}\.txt", said)) == NAMED


def test_an_odd_name_is_shown_in_characters_that_there_are() -> None:
    said = sentence({Path("caf\udce9\n\x1b[31m.txt"): NOT_A_PICTURE}, 12)
    assert said == "1 of 12 files was left out: caf���[31m.txt is not a picture."
    assert said.encode()


def test_every_reason_continues_a_sentence() -> None:
    reasons = [value for value in vars(left_out).values() if isinstance(value, Reason)]
    assert len(reasons) == len(set(reasons)) == 9
    for reason in reasons:
        assert re.fullmatch(r"(is|has|holds|may|cannot) [^.]+[^. ]", reason.one)
        assert re.fullmatch(r"(are|have|hold|may|cannot) [^.]+[^. ]", reason.several)
