"""Bundles that somebody might bring: whole ones, damaged ones, and such as were made to harm.

All are made of one good bundle. Whoever makes a bundle can make its checksums, so those that lie are sealed again.
"""

import gzip
import hashlib
import io
import json
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import safetensors.torch
import torch
from PIL import Image

from aecore.files.whole import canonical
from aecore.runs.bundles import CARD, EVENTS, ONNX
from aecore.runs.store import HISTORY, PREVIEW, RUN, SCORES, WEIGHTS

TENTHS = 10
# Data sets on which a run of 3×32×32 was not trained: unknown ones, no sizes of pictures, and those of other shapes.
LYING_DATASETS = (
    *("", "no-such", "folder", "folder@9999:", "folder@-1:/", "folder@\n:/tmp", "folder@x:/tmp"),
    *("folder@64:/tmp", "mnist", "mnist-excerpt", "stl10", "scenes-64"),
)
Contents = dict[str, bytes]  # by the name in the folder
# These are bundles; all others must be refused, but for those in which a byte that says nothing was changed.
WHOLE = ("as it is", "packed again", "in another order", "with its folder", "without what is not stored")


def contents_of(bundle: bytes) -> tuple[str, Contents]:
    """The folder of a bundle, and what is in it."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as packed:
        return packed.namelist()[0].partition("/")[0], {
            name.rpartition("/")[2]: packed.read(name) for name in packed.namelist()
        }


def files(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    """The name and content of each."""
    folder, contents = contents_of(bundle)
    packed = {f"{folder}/{name}": content for name, content in contents.items()}
    yield "as it is", bundle
    yield "packed again", _zip(packed, zipfile.ZIP_DEFLATED)
    yield "in another order", _zip(dict(reversed(packed.items())))
    yield "with its folder", _zip({f"{folder}/": b"", **packed})
    yield "without what is not stored", _zip({k: v for k, v in packed.items() if not k.endswith((CARD, ONNX, EVENTS))})
    yield from _names(folder, packed)
    yield from _kinds(folder, packed)
    yield from _bombs(folder, contents, packed)
    yield from _damaged(bundle)
    for name, changed in (*_manifests(contents), *_weights(contents), *_tables(contents)):
        yield name, _zip({f"{folder}/{part}": content for part, content in changed.items()})


def of_dataset(bundle: bytes, name: str) -> bytes:
    """The bundle of a run that says that it was trained on the data set `name`."""
    folder, contents = contents_of(bundle)
    forged = _sealed(contents, _put("spec", "dataset", value=name))
    return _zip({f"{folder}/{part}": content for part, content in forged.items()})


def _zip(packed: Contents, method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in packed.items():
            archive.writestr(_entry(name), content, method)
    return file.getvalue()


def _entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("x")
    entry.filename = name  # as it is: the constructor would cut it at NUL
    entry.external_attr = (stat.S_IFDIR if name.endswith("/") else mode) << 16
    return entry


def _names(folder: str, packed: Contents) -> Iterator[tuple[str, bytes]]:
    """One file more, under a name that leads elsewhere or confuses who reads it."""
    for name in (
        "../outside",
        "../../outside",
        "../../../../../../tmp/outside",
        f"{folder}/../outside",
        f"{folder}/../../outside",
        f"{folder}/./outside",
        f"{folder}//outside",
        f"{folder}/deeper/{RUN}",
        f"./{folder}/outside",
        "/outside",
        "//outside",
        "/etc/passwd",
        "C:\\outside",
        "C:/outside",
        "\\\\server\\share",
        "..\\outside",
        f"{folder}\\..\\outside",
        "~/outside",
        "%2e%2e/outside",
        "..",
        ".",
        f"{folder}/{RUN}\0.txt",
        "\0",
        "x" * 300,
        f"{folder}/{'x' * 300}",
        "\u202egnp.nur/x",
        "<script>alert(1)</script>",
        f"{folder}/<b>bold</b>",
        f"{folder}/{RUN.upper()}",
        f"{folder}/{RUN} ",
        f"{folder}\u2215outside",
        f"another/{RUN}",
        f"{folder}/note.json",
        f"{folder}/state.safetensors",
        "outside\n\x1b[31m",
    ):
        yield f"a file called {name[:40]!a}", _zip({**packed, name: b"x"})
    for name in ("../x", "..", "a:b", "\u202efolder", "a\\b", ".incoming"):
        moved = {f"{name}/{part.partition('/')[2]}": content for part, content in packed.items()}
        yield f"all in a folder called {name!a}", _zip(moved)
    yield "without a folder", _zip({name.partition("/")[2]: content for name, content in packed.items()})


def _kinds(folder: str, packed: Contents) -> Iterator[tuple[str, bytes]]:
    for name, mode in (("a link", stat.S_IFLNK), ("a device", stat.S_IFBLK), ("a pipe", stat.S_IFIFO)):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            for part, content in packed.items():
                if part.endswith(HISTORY):
                    archive.writestr(_entry(part, mode | 0o777), b"/etc/passwd")
                else:
                    archive.writestr(_entry(part), content)
        yield name, file.getvalue()
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w") as archive:
        for part, content in [*packed.items(), (f"{folder}/{RUN}", b"{}")]:
            archive.writestr(_entry(part), content)
    yield "a name twice", file.getvalue()
    yield "packed in an unusual way", _zip(packed, zipfile.ZIP_LZMA)
    encrypted = bytearray(_zip(packed))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.index(mark) + place] |= 1
    yield "encrypted", bytes(encrypted)


def _bombs(folder: str, contents: Contents, packed: Contents) -> Iterator[tuple[str, bytes]]:
    for name in (RUN, WEIGHTS, SCORES, PREVIEW, ONNX):
        yield f"zeros in {name}", _zip({**packed, f"{folder}/{name}": bytes(2**23)}, zipfile.ZIP_DEFLATED)
    bomb = _zip({**packed, f"{folder}/{WEIGHTS}": bytes(2**23)}, zipfile.ZIP_DEFLATED)
    yield "a size that lies", bomb.replace(struct.pack("<I", 2**23), struct.pack("<I", 2**10))
    yield (
        "a size that claims four gigabytes",
        _zip(packed).replace(struct.pack("<I", len(contents[WEIGHTS])), struct.pack("<I", 2**32 - 2)),
    )
    inner = _zip({"zeros": bytes(2**23)}, zipfile.ZIP_DEFLATED)
    yield "a zip in a zip", _zip({**packed, f"{folder}/{WEIGHTS}": inner})
    yield "ten thousand files", _zip({**packed, **{f"{folder}/{number}": b"" for number in range(10_000)}})
    yield "seventy thousand files", _zip({f"{folder}/{number}": b"" for number in range(70_000)})
    yield "files that overlap", _overlapping(_zip(packed))
    yield "a long comment", _zip(packed) + b"x" * 60_000


def _overlapping(archive: bytes) -> bytes:
    """Every file begins where the first does."""
    changed, place = bytearray(archive), 0
    while (place := changed.find(b"PK\x01\x02", place)) >= 0:
        changed[place + 42 : place + 46] = bytes(4)
        place += 46
    return bytes(changed)


def _damaged(bundle: bytes) -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "a text", b"not a zip\n" * 100
    yield "only the end of a zip", b"PK\x05\x06" + bytes(18)
    for tenth in range(1, TENTHS):
        yield f"cut after {tenth} tenths", bundle[: len(bundle) * tenth // TENTHS]
    for tenth in range(1, TENTHS):
        changed = bytearray(bundle)
        changed[len(bundle) * tenth // TENTHS] ^= 0xFF
        yield f"a byte changed after {tenth} tenths", bytes(changed)


# ---- what lies, with checksums that hold


def _sealed(contents: Contents, change: Callable[[dict[str, Any]], None] = lambda facts: None) -> Contents:
    """The same with a manifest that was changed and sealed again: it vouches for whatever the files are."""
    facts = json.loads(contents[RUN])
    del facts["sha256"]
    for name in facts["files"]:
        content = contents[name]
        facts["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    change(facts)
    facts["sha256"] = hashlib.sha256(canonical(facts)).hexdigest()
    return {**contents, RUN: json.dumps(facts).encode()}


def _put(*path: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(facts: dict[str, Any]) -> None:
        for name in path[:-1]:
            facts = facts[name]
        facts[path[-1]] = value

    return change


def _manifests(contents: Contents) -> Iterator[tuple[str, Contents]]:
    for path, values in {
        ("format",): (2, None, "1"),
        ("key",): ("0" * 64, None, 5),
        ("environment",): ([], {}, {"device": "<b>\n"}, {"device": "cpu", "more": {"deep": 1}}),
        ("finished",): ("yesterday", 5, "2026-11-23"),
        ("seconds",): (-1, "long", None, 10**400),
        ("dtype",): ("int8", None, ["float32"]),
        ("totals",): ({}, [], None),
        ("totals", "mse"): (0.0, "small", None),
        ("totals", "psnr_pooled"): (99.0,),
        ("totals", "pictures"): (1_000_000,),
        ("files",): ({}, [], {"../../outside": {"bytes": 1, "sha256": "0" * 64}}),
        ("files", WEIGHTS, "sha256"): ("0" * 64, None),
        ("files", HISTORY, "bytes"): (1, "many"),
        ("noise_version",): (10**6, "2", None, -1),
        ("spec",): ({}, [], None),
        ("spec", "seed"): (1, -1, "0", True, 2**80, None),
        ("spec", "fingerprint"): ("0" * 64, "short", "<b>", 5, None),
        ("spec", "dataset"): (5, None, "x" * 400, "a\nb", *LYING_DATASETS),
        ("spec", "name"): ("../outside", "<b>", "", "x" * 300, 5, None, "another"),
        ("spec", "architecture"): ("conv8 | conv3:k1:sigmoid", "nonsense", "", "conv999999999", "conv3 | " * 9999, 5),
        ("spec", "recipe"): ({}, [], None, {"epochs": 3}),
        ("spec", "recipe", "epochs"): (1, 10**9, "3", 2.5),
        ("spec", "recipe", "learning_rate"): (float("nan"), "fast", -1),
        ("spec", "recipe", "noise"): ("gaussian:1", "nonsense:1", 5),
        ("spec", "recipe", "more"): (1,),
    }.items():
        for value in values:
            text = ascii(value)
            yield f"{'.'.join(path)} is {text[:30]}", _sealed(contents, _put(*path, value=value))
    yield "a manifest that is not sealed", {**contents, RUN: contents[RUN].replace(b'"cpu"', b'"gpu"')}
    for name, content in (
        ("a list", b"[]"),
        ("no JSON", b"{"),
        ("empty", b""),
        ("deep", b"[" * 100_000),
        ("a long number", b'{"format": ' + b"1" * 10_000 + b"}"),
        ("no Unicode", b"\xff\xfe\x00"),
    ):
        yield f"a manifest that is {name}", {**contents, RUN: content}
    for name in (RUN, WEIGHTS, HISTORY, SCORES, PREVIEW):
        yield f"without {name}", {part: content for part, content in contents.items() if part != name}


def _weights(contents: Contents) -> Iterator[tuple[str, Contents]]:
    tensors = safetensors.torch.load(contents[WEIGHTS])
    first = next(name for name, tensor in tensors.items() if tensor.ndim > 1)

    def other(**changed: torch.Tensor) -> bytes:
        return safetensors.torch.save({**tensors, **changed})

    weight = tensors[first]
    for name, value in (("NaN", torch.nan), ("infinite", torch.inf)):
        spoilt = weight.clone()
        spoilt.view(-1)[-1] = value
        yield f"{name} weights", _with_weights(contents, other(**{first: spoilt}))
    yield "weights of another shape", _with_weights(contents, other(**{first: weight.flatten()}))
    yield "weights of another type", _with_weights(contents, other(**{first: weight.double()}))
    yield "weights of whole numbers", _with_weights(contents, other(**{first: weight.int()}))
    yield "weights too many", _with_weights(contents, other(more=weight.clone()))
    missing = {name: tensor for name, tensor in tensors.items() if name != first}
    yield "weights too few", _with_weights(contents, safetensors.torch.save(missing))
    length = int.from_bytes(contents[WEIGHTS][:8], "little")
    header, data = json.loads(contents[WEIGHTS][8 : 8 + length]), contents[WEIGHTS][8 + length :]
    names = list(header)
    for name, change in {
        "weights that overlap": _put(names[-1], "data_offsets", value=header[names[0]]["data_offsets"]),
        "weights beyond the end": _put(names[-1], "data_offsets", value=[2**40, 2**40 + 4]),
        "weights before the beginning": _put(names[0], "data_offsets", value=[-8, 0]),
        "weights of a negative size": _put(names[0], "shape", value=[-1, -4]),
        "weights of a huge size": _put(names[0], "shape", value=[2**62, 2**62]),
        "weights of no known type": _put(names[0], "dtype", value="F1"),
        "weights described by a text": _put(names[0], value="here"),
    }.items():
        changed = json.loads(json.dumps(header))
        change(changed)
        yield name, _with_weights(contents, _safetensors(json.dumps(changed).encode(), data))
    yield "weights with something after them", _with_weights(contents, contents[WEIGHTS] + b"more")
    yield "weights cut short", _with_weights(contents, contents[WEIGHTS][:-1])
    yield "no weights", _with_weights(contents, b"")
    for name, text in (("deep", b"[" * 50_000), ("no JSON", b"{,"), ("a list", b"[]")):
        yield f"a header of weights that is {name}", _with_weights(contents, _safetensors(text, data))
    large = (2**62).to_bytes(8, "little") + contents[WEIGHTS][8:]
    yield "a header of weights that says it is endless", _with_weights(contents, large)
    spaces = json.dumps(header).encode() + b" " * 2**21
    yield "a header of weights of two megabytes", _with_weights(contents, _safetensors(spaces, data))


def _safetensors(header: bytes, data: bytes) -> bytes:
    return len(header).to_bytes(8, "little") + header + data


def _with_weights(contents: Contents, weights: bytes) -> Contents:
    return _sealed({**contents, WEIGHTS: weights})


def _tables(contents: Contents) -> Iterator[tuple[str, Contents]]:
    scores = gzip.decompress(contents[SCORES])
    lines = scores.splitlines(keepends=True)
    for name, content in {
        "not packed": scores,
        "packed zeros": gzip.compress(bytes(2**26)),
        "cut short": contents[SCORES][:-9],
        "without rows": gzip.compress(lines[0]),
        "with a row twice": gzip.compress(b"".join([*lines, lines[-1]])),
        "with a text": gzip.compress(b"".join([*lines[:-1], lines[-1].replace(b".", b"x")])),
        "with nothing in a row": gzip.compress(scores + b"4,,,,\n"),
        "with other columns": gzip.compress(scores.replace(b"mse", b"<b>")),
        "better than they are": gzip.compress(
            b"".join([lines[0], *(b"%d,0,0.0001,40.0,0.99\n" % n for n in range(4))])
        ),
    }.items():
        yield f"scores {name}", _sealed({**contents, SCORES: content})
    history = contents[HISTORY]
    for name, content in {
        "empty": b"",
        "a text": b"nothing here",
        "without the last epoch": history[: history.rstrip().rindex(b"\n") + 1],
        "with a formula": history.replace(b"epoch", b"=cmd|'/c calc'!A0"),
    }.items():
        yield f"a history that is {name}", _sealed({**contents, HISTORY: content})
    for name, content in {
        "a text": b"<svg onload=alert(1)>",
        "empty": b"",
        "cut short": contents[PREVIEW][:60],
        "huge": _png(60_000, 60_000),
        "large": _png(5_000, 5_000),
        "wide": _png(1, 2**31 - 1),
        "a pixel": _drawn("RGB", 1, 1),
        "low": _drawn("RGB", 128, 32),
        "three rows": _drawn("RGB", 128, 96),
        "narrow": _drawn("RGB", 31, 64),
        "grey": _drawn("L", 128, 64),
        "of 16 bits": _drawn("I;16", 128, 64),
    }.items():
        yield f"a preview that is {name}", _sealed({**contents, PREVIEW: content})


def _drawn(mode: str, width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, "PNG")
    return file.getvalue()


def _png(width: int, height: int) -> bytes:
    """A PNG of this size, whose pixels are missing."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"IEND"
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            *(struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in (chunk, end)),
        ]
    )
