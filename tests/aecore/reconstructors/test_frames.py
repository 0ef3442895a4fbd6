"""Messages through a pipe."""

import io

import pytest

from aecore.reconstructors import frames


def test_frames_come_back_and_what_is_cut_short_ends() -> None:
    pipe = io.BytesIO()
    frames.write(pipe, b"one")
    frames.write(pipe, b"")
    pipe.seek(0)
    assert [frames.read(pipe), frames.read(pipe)] == [b"one", b""]
    for content in (b"", b"\x05", (5).to_bytes(8, "little") + b"1234", (2**60).to_bytes(8, "little")):
        with pytest.raises(EOFError):
            frames.read(io.BytesIO(content))
