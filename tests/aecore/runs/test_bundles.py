"""A run goes out as one file and comes back the same; of what is no run, each file is refused in one sentence."""

import io
import json
import shutil
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch

from aecore import AecoreError
from aecore.data import catalog
from aecore.runs import bundles, execution, notes
from aecore.runs.bundles import CARD, EVENTS, ONNX, BundleError
from aecore.runs.events import Finished
from aecore.runs.notes import Note
from aecore.runs.store import HISTORY, PREVIEW, RUN, SCORES, WEIGHTS, Run, Store, StoreError
from tests.aecore.runs import hostile_bundles
from tests.aecore.small_runs import spec_of

MOST_GROWTH = 50 * 2**20  # bytes


@pytest.fixture(scope="module")
def run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that was trained for a moment."""
    *_, last = execution.execute(spec_of(pictures), store=Store(tmp_path_factory.mktemp("origin")))
    assert isinstance(last, Finished)
    return last.run


@pytest.fixture(scope="module")
def bundle(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle."""
    path = tmp_path_factory.mktemp("bundles") / bundles.file_name(run)
    bundles.write(run, path)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store beside a file that is not to be touched."""
    (tmp_path / "secret").write_text("untouched")
    yield Store(tmp_path / "checkpoints")
    assert {path.name for path in tmp_path.iterdir()} <= {"secret", "checkpoints"}
    assert (tmp_path / "secret").read_text() == "untouched"


def test_it_comes_back_bit_for_bit(run: Run, bundle: Path, store: Store) -> None:
    imported = bundles.read(bundle, store)
    assert not imported.was_here
    assert store.find(run.key) == imported.run
    spec = replace(run.spec, dataset="folder:")  # without the path of its pictures
    assert (imported.run.key, imported.run.spec, imported.run.totals) == (run.key, spec, run.totals)
    assert imported.run.scores().equals(run.scores())
    given = torch.rand(5, 3, 32, 32)
    assert torch.equal(imported.run.model()(given), run.model()(given))
    for name in (WEIGHTS, HISTORY, SCORES, PREVIEW):
        assert (imported.run.path / name).read_bytes() == (run.path / name).read_bytes()
    listing = store.listing()
    assert (len(listing.runs), listing.damaged) == (1, [])
    assert {path.name for path in imported.run.path.iterdir()} == {RUN, WEIGHTS, HISTORY, SCORES, PREVIEW}


def test_a_published_run_goes_out_and_comes_back_after_it_was_removed(store: Store, tmp_path: Path) -> None:
    published = Store().find("shallow-strided")
    shutil.copytree(published.path, store.root / published.path.name)
    own, path = store.find(published.key), tmp_path / "checkpoints" / "out.zip"
    manifest = (own.path / RUN).read_bytes()
    given = torch.rand(3, 3, 32, 32)
    before = own.model()(given)
    bundles.write(own, path)
    store.remove(own)
    with pytest.raises(StoreError):
        store.find(published.key)
    back = bundles.read(path, store).run
    assert torch.equal(back.model()(given), before)
    assert back.scores().equals(published.scores())
    assert (back.path / RUN).read_bytes() == manifest


def test_where_its_pictures_lie_is_not_in_it(pictures: Path, bundle: Path, run: Run) -> None:
    assert str(pictures) in (run.path / RUN).read_text()
    _, contents = hostile_bundles.contents_of(bundle.read_bytes())
    assert not [name for name, content in contents.items() if str(pictures).encode() in content]


@pytest.mark.parametrize("prefix", ["folder:", "folder@32:"])
def test_no_run_from_elsewhere_shows_a_folder_of_this_computer(
    prefix: str, pictures: Path, run: Run, bundle: Path, store: Store
) -> None:
    assert catalog.available(f"{prefix}{pictures}")
    forged = hostile_bundles.of_dataset(bundle.read_bytes(), f"{prefix}{pictures}")
    imported = bundles.read(io.BytesIO(forged), store).run
    assert imported.key == run.key
    assert imported.spec.dataset == prefix
    assert not catalog.available(imported.spec.dataset)
    assert str(pictures) not in (imported.path / RUN).read_text()
    assert not store.listing().damaged


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no-such", "none that is known here"),
        ("folder", "none that is known here"),
        ("folder@9999:/tmp", "32 to 256 pixels"),
        ("folder@64:", "3×32×32, and those of its data set are 3×64×64"),
        ("mnist", "1×28×28"),
        ("mnist-excerpt", "1×28×28"),
        ("scenes-64", "3×64×64"),
    ],
)
def test_a_data_set_that_its_layers_cannot_have_learned_is_refused(
    name: str, why: str, bundle: Path, store: Store
) -> None:
    forged = hostile_bundles.of_dataset(bundle.read_bytes(), name)
    with pytest.raises(BundleError, match=why):
        bundles.read(io.BytesIO(forged), store)
    assert not store.listing().runs


def test_the_same_run_gives_the_same_bytes(run: Run, bundle: Path, tmp_path: Path) -> None:
    bundles.write(run, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == bundle.read_bytes()


def test_a_run_that_is_there_stays_and_a_damaged_one_is_replaced(run: Run, bundle: Path, store: Store) -> None:
    first = bundles.read(bundle, store).run
    notes.write(first, Note("mine", "what I saw"))
    stamp = (first.path / WEIGHTS).stat().st_mtime_ns
    assert bundles.read(io.BytesIO(bundle.read_bytes()), store).was_here
    assert (first.path / WEIGHTS).stat().st_mtime_ns == stamp
    for name, content in ((WEIGHTS, b"\0" * first.files[WEIGHTS]["bytes"]), (SCORES, b""), (RUN, b"{}")):
        (first.path / name).write_bytes(content)
        imported = bundles.read(bundle, store)
        assert not imported.was_here
        assert imported.run.path == first.path
        given = torch.rand(2, 3, 32, 32)
        assert torch.equal(imported.run.model()(given), run.model()(given))
        assert notes.read(imported.run) == Note("mine", "what I saw")


def test_a_run_that_is_being_trained_is_left_alone(
    run: Run, bundle: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "_PATIENCE", 0.1)
    with store.lock(run.spec), pytest.raises(StoreError, match="is being trained or changed"):
        # Locks are held by a file that is open: within a process a second one waits too.
        bundles.read(bundle, store)
    assert not store.listing().runs


def test_a_run_without_weights_and_one_that_is_damaged_do_not_go_out(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "store" / run.path.name)
    copy = Store(tmp_path / "store").find(run.key)
    (copy.path / WEIGHTS).write_bytes(b"")
    with pytest.raises(StoreError, match="damaged"):
        bundles.write(copy, tmp_path / "out.zip")
    assert not (tmp_path / "out.zip").exists()


def test_the_curve_is_a_file_of_events(run: Run, bundle: Path) -> None:
    """Read by the format's own description: length, checksum, record, checksum."""
    from tensorboardX.proto.event_pb2 import Event

    with zipfile.ZipFile(bundle) as packed:
        content = packed.read(f"{run.spec.folder}/{EVENTS}")
    events, place = [], 0
    while place < len(content):
        (length,) = struct.unpack_from("<Q", content, place)
        events.append(Event.FromString(content[place + 12 : place + 12 + length]))
        place += 16 + length
    history = run.history()
    read = pd.DataFrame(
        [
            {"epoch": event.step, "name": event.summary.value[0].tag, "value": event.summary.value[0].simple_value}
            for event in events[1:]
        ]
    ).pivot_table(index="epoch", columns="name", values="value")
    for name in ("train_loss", "validation_loss", "validation_mse"):
        assert read[name].to_numpy() == pytest.approx(history[name].to_numpy(), rel=1e-6)  # of float32
    gaps = [event.wall_time - events[0].wall_time for event in events[1:]]
    assert max(gaps) == pytest.approx(run.seconds, abs=1e-3)


def test_the_card_says_what_it_is_and_its_five_lines_load_it(
    run: Run, bundle: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(bundle) as packed:
        card = packed.read(f"{run.spec.folder}/{CARD}").decode()
    _, metadata, text = card.split("---\n", 2)
    assert "pipeline_tag: image-to-image" in metadata
    assert f"value: {run.scores()['psnr'].mean():.6g}" in metadata
    assert str(run.spec.architecture) in text
    assert run.key in text
    assert str(run.spec.dataset).removeprefix("folder:") not in card  # where the pictures lie is nobody's business
    code = text.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) == 5
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(store.root))
    monkeypatch.chdir(bundle.parent)
    given = torch.rand(2, 3, 32, 32)
    names = {"pictures": given}
    exec(code, names)
    assert torch.equal(names["output"], run.model()(given))


def test_its_onnx_file_names_the_run(run: Run, bundle: Path) -> None:
    import onnx

    with zipfile.ZipFile(bundle) as packed:
        model = onnx.load_model_from_string(packed.read(f"{run.spec.folder}/{ONNX}"))
    onnx.checker.check_model(model, full_check=True)
    facts = {entry.key: entry.value for entry in model.metadata_props}
    assert facts == {"key": run.key, "name": run.name, "layers": str(run.spec.architecture)}


@pytest.mark.slow
def test_every_file_is_a_run_or_is_refused_in_one_sentence(bundle: Path, store: Store) -> None:
    files = list(hostile_bundles.files(bundle.read_bytes()))
    assert len(files) > 150
    assert len({name for name, _ in files}) == len(files)
    for warm in ("as it is", "a text"):
        _outcome(dict(files)[warm], store)
    before = psutil.Process().memory_info().rss
    for name, content in files:
        refusal = _outcome(content, store)
        if not name.startswith("a byte changed"):
            assert (refusal == "") == (name in hostile_bundles.WHOLE), f"{name}: {refusal}"
        if refusal:
            assert 10 < len(refusal) < 400, name
            assert "\n" not in refusal, name
            assert {path.name for path in store.root.iterdir()} <= {".locks"}, name
    assert psutil.Process().memory_info().rss - before < MOST_GROWTH


def _outcome(content: bytes, store: Store) -> str:
    """Import a file and remove its run again; returns why it is refused."""
    try:
        store.remove(bundles.read(io.BytesIO(content), store).run)
    except AecoreError as error:
        return str(error)
    return ""


def test_a_file_that_is_not_there_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"nothing\.zip cannot be read"):
        bundles.read(tmp_path / "nothing.zip", store)


def test_a_store_that_cannot_be_written_is_named(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BundleError, match="AECORE_CHECKPOINTS"):
        bundles.read(bundle, Store(tmp_path / "file"))


def test_a_manifest_that_speaks_of_another_run_is_refused(run: Run, bundle: Path, store: Store) -> None:
    """Sealed anew by hand: neither the key nor the checksum of the file gives it away."""
    folder, contents = hostile_bundles.contents_of(bundle.read_bytes())
    facts = json.loads(contents[RUN])
    assert facts["key"] == run.key
    assert folder == run.spec.folder
    files = dict(hostile_bundles.files(bundle.read_bytes()))
    for name, why in {
        "key is '0000000000000000000000000000": "does not follow from",
        "spec.seed is 1": "does not follow from",
        "NaN weights": "not all finite",
        "weights of another shape": "shape and type",
        "a link": "a link or a device",
        "files that overlap": "overlap",
        "scores packed zeros": "unpacks to more than",
        "a preview that is large": "too many",
        "a preview that is a pixel": "does not show 2 rows",
        "format is 2": "another version",
        "scores better than they are": "is not that of its scores",
    }.items():
        content = next(content for known, content in files.items() if known.startswith(name))
        with pytest.raises(AecoreError, match=why):
            bundles.read(io.BytesIO(content), store)
