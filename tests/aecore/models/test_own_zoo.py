"""One's own zoo: what is saved is read, whatever happens to the file costs a sentence, and nothing is lost."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aecore.models.architecture import Architecture
from aecore.models.own_zoo import FILE, OwnZoo, OwnZooError
from aecore.models.recipe import is_name
from tests.aecore.models.drawn import autoencoders

ROOT = Path(__file__).parents[3]
SLIM, WIDE = Architecture.parse("conv8 | conv3"), Architecture.parse("conv64:k5 | conv3:k1:sigmoid")


@pytest.fixture
def own(tmp_path: Path) -> OwnZoo:
    return OwnZoo(tmp_path / "store", reserved=("dense",))


def names(own: OwnZoo) -> list[str]:
    return list(own.read().architectures)


def test_what_is_saved_is_read_in_order_and_is_toml(own: OwnZoo) -> None:
    assert own.read().architectures == {}
    own.save("slim", SLIM)
    own.save("wide-1.5", WIDE)
    own.save("slim", SLIM)
    contents = OwnZoo(own.path.parent).read()
    assert list(contents.architectures.items()) == [("slim", SLIM), ("wide-1.5", WIDE)]
    assert contents.damaged == ()
    assert tomllib.loads(own.path.read_text()) == {"slim": str(SLIM), "wide-1.5": str(WIDE)}


def test_one_is_renamed_and_removed_and_the_others_stay(own: OwnZoo) -> None:
    for name in ("a", "b", "c"):
        own.save(name, SLIM)
    own.rename("b", "b2")
    own.rename("c", "c")
    assert names(own) == ["a", "b2", "c"]
    own.remove("a")
    assert names(own) == ["b2", "c"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Slim", "use lowercase letters, digits, dots and dashes"),
        ("", "use lowercase letters"),
        ("a" * 62, "at most 61"),
        ('a" = 1', "use lowercase letters"),
        ("dense", "is the name of a system of the zoo"),
        ("1x28x28", "reads like the shape of pictures"),
        ("wide", "There is an architecture 'wide' already"),
    ],
)
def test_a_name_that_is_not_allowed_is_refused(own: OwnZoo, name: str, sentence: str) -> None:
    own.save("wide", WIDE)
    with pytest.raises(OwnZooError, match=sentence):
        own.save(name, SLIM)
    own.save("other", SLIM)
    with pytest.raises(OwnZooError, match=sentence):
        own.rename("other", name)
    assert own.read().architectures == {"wide": WIDE, "other": SLIM}


def test_what_is_not_there_is_neither_renamed_nor_removed(own: OwnZoo) -> None:
    own.save("slim", SLIM)
    for act in (lambda: own.remove("slin"), lambda: own.rename("slin", "x")):
        with pytest.raises(OwnZooError, match=r"There is no architecture 'slin' in .*: did you mean slim"):
            act()


# ---- files that a hand has written, or that were damaged

HAND = """# My networks
"slim" = "conv8 | conv3"   # good

wide="conv64:k5|conv3:k1:sigmoid"
"""


def test_what_a_hand_has_written_stays_as_it_is(own: OwnZoo) -> None:
    own.path.parent.mkdir()
    own.path.write_text(HAND)
    assert own.read().architectures == {"slim": SLIM, "wide": WIDE}
    own.save("wide", WIDE)
    assert own.path.read_text() == HAND
    own.save("third", SLIM)
    assert own.path.read_text() == HAND + 'third = "conv8 | conv3"\n'
    own.remove("third")
    assert own.path.read_text() == HAND
    own.rename("slim", "thin")
    assert names(own) == ["thin", "wide"]


BAD_ENTRIES = {
    "unreadable": ('bad = "cnv3"', "did you mean `conv`"),
    "shape": ('bad = "conv8"', "must end with 3×32×32"),
    "number": ("bad = 7", "no line of layers"),
    "table": ('[bad]\nlayers = "conv3"', "no line of layers"),
    "dotted": ('bad.1 = "conv3"', "no line of layers"),
    "name": ('"Bad one" = "conv3"', "cannot name an architecture"),
    "system": ('dense = "conv3"', "name of a system"),
}


@pytest.mark.parametrize("bad", BAD_ENTRIES)
def test_an_entry_that_is_none_costs_a_sentence_and_stays(own: OwnZoo, bad: str) -> None:
    text, sentence = BAD_ENTRIES[bad]
    own.path.parent.mkdir()
    own.path.write_text(f'slim = "conv8 | conv3"\n{text}\n')
    contents = own.read()
    assert contents.architectures == {"slim": SLIM}
    (damage,) = contents.damaged
    assert sentence in damage
    own.save("wide", WIDE)
    own.remove("slim")
    assert own.read().architectures == {"wide": WIDE}
    assert own.read().damaged == contents.damaged
    assert text in own.path.read_text()


@pytest.mark.parametrize("junk", [b'cut = "conv8 | con', b"\xff\x00\xfe", b"<<<<<<< HEAD", b"[", b'x = """'])
def test_a_damaged_line_costs_a_sentence_and_stays(own: OwnZoo, junk: bytes) -> None:
    own.path.parent.mkdir()
    own.path.write_bytes(b'slim = "conv8 | conv3"\n' + junk + b'\nwide = "conv64:k5 | conv3:k1:sigmoid"\n')
    contents = own.read()
    assert contents.architectures == {"slim": SLIM, "wide": WIDE}
    assert contents.damaged == (f"{FILE} is damaged in line 2: what stands there is left out, and stays in the file.",)
    own.save("third", SLIM)
    own.remove("wide")
    own.rename("slim", "thin")
    assert own.read().architectures == {"thin": SLIM, "third": SLIM}
    assert junk in own.path.read_bytes()


def test_a_name_that_is_given_twice_stands_for_the_first_and_the_second_stays(own: OwnZoo) -> None:
    own.path.parent.mkdir()
    own.path.write_text(f'slim = "{SLIM}"\nslim = "{WIDE}"\n')
    contents = own.read()
    assert contents.architectures == {"slim": SLIM}
    assert "damaged in line 2" in contents.damaged[0]
    own.rename("slim", "thin")
    assert own.read().architectures == {"thin": SLIM, "slim": WIDE}


def test_what_only_a_hand_can_change_is_left_to_it(own: OwnZoo) -> None:
    own.path.parent.mkdir()
    own.path.write_text('slim = """\nconv8 | conv3"""\n')
    assert own.read().architectures == {"slim": SLIM}
    with pytest.raises(OwnZooError, match="change it there by hand"):
        own.remove("slim")
    content = "odd = [\n[1],\n]\n"
    own.path.write_text(content)
    with pytest.raises(OwnZooError, match="only a hand can change"):
        own.save("slim", SLIM)
    assert own.path.read_text() == content


@settings(max_examples=100)
@given(st.binary(max_size=80), st.lists(st.sampled_from([b"\n", b'a = "conv3"', b'"b" = "conv3"', b"[t]", b"# c"])))
def test_no_content_is_lost_or_raises(
    tmp_path_factory: pytest.TempPathFactory, junk: bytes, lines: list[bytes]
) -> None:
    own = OwnZoo(tmp_path_factory.mktemp("own"))
    content = junk + b"\n".join(lines)
    own.path.write_bytes(content)
    before = own.read()
    try:
        own.save("new", SLIM)
    except OwnZooError:
        assert own.path.read_bytes() == content
        return
    after = own.read()
    assert after.architectures == {**before.architectures, "new": SLIM}
    assert len(after.damaged) == len(before.damaged)
    kept = [line for line in own.path.read_bytes().split(b"\n") if line != b'new = "conv8 | conv3"']
    assert b"\n".join(kept).rstrip(b"\n") == content.rstrip(b"\n")


@settings(max_examples=40)
@given(autoencoders(), st.from_regex(r"[a-z][a-z0-9.-]{0,8}|[0-9]{1,3}", fullmatch=True))
def test_any_architecture_reads_back(
    tmp_path_factory: pytest.TempPathFactory, architecture: Architecture, name: str
) -> None:
    assert is_name(name)
    own = OwnZoo(tmp_path_factory.mktemp("own"))
    own.save(name, architecture)
    assert own.read().architectures == {name: architecture}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    own = OwnZoo(tmp_path / "file" / "store")
    with pytest.raises(OwnZooError, match="set AECORE_CHECKPOINTS to a writable folder"):
        own.save("slim", SLIM)
    (tmp_path / FILE).mkdir()
    assert OwnZoo(tmp_path).read().damaged == (f"{tmp_path / FILE} cannot be read (Is a directory).",)


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from aecore.models.architecture import Architecture
from aecore.models.own_zoo import OwnZoo
own = OwnZoo(Path(sys.argv[1]))
for number in range(15):
    own.save(f"{sys.argv[2]}-{number}", Architecture.parse("conv8 | conv3"))
    own.rename(f"{sys.argv[2]}-{number}", f"{sys.argv[2]}-{number}-new")
"""
    writers = [subprocess.Popen([sys.executable, "-c", code, tmp_path, name], cwd=ROOT) for name in ("a", "b")]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert set(names(OwnZoo(tmp_path))) == {f"{name}-{number}-new" for name in ("a", "b") for number in range(15)}
    assert sorted(path.name for path in tmp_path.iterdir()) == [".locks", FILE]
