"""Messages through a pipe: eight bytes for the length, then the content."""

from __future__ import annotations

from typing import IO

LARGEST = 2**32
_CHUNK = 2**20


def write(pipe: IO[bytes], content: bytes) -> None:
    """Write one message; raises `OSError` where nobody reads any more."""
    view = memoryview(len(content).to_bytes(8, "little") + content)
    while view:
        view = view[pipe.write(view) :]
    pipe.flush()


def read(pipe: IO[bytes], largest: int = LARGEST) -> bytes:
    """Read one message; raises `EOFError` where the pipe ends before it does, or where it is larger than `largest`."""
    length = int.from_bytes(_exactly(pipe, 8), "little")
    if length > largest:
        raise EOFError
    return _exactly(pipe, length)


def _exactly(pipe: IO[bytes], length: int) -> bytes:
    parts, left = list[bytes](), length
    while left:
        part = pipe.read(min(left, _CHUNK))
        if not part:
            raise EOFError
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
