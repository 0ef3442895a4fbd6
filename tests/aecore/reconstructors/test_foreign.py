"""Models from elsewhere: whole ones give what torch gives, and of all others each is refused in one sentence."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event, Timer

import numpy
import psutil
import pytest
import torch

from aecore import AecoreError
from aecore.reconstructors import foreign, foreign_process, tiled
from aecore.reconstructors.foreign import ForeignError
from tests.aecore.reconstructors import hostile_models
from tests.aecore.reconstructors.plain_torch import plain_autoencoder

MOST_GROWTH = 50 * 2**20  # bytes


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    yield
    for digest in list(foreign_process._running):
        foreign_process.stop(digest)
    assert not [child for child in psutil.Process().children() if _is_worker(child)]


def _is_worker(child: psutil.Process) -> bool:
    try:
        return "foreign_worker" in " ".join(child.cmdline())
    except psutil.NoSuchProcess:  # it has ended, or is another test's that nobody has waited for
        return False


def wide() -> bytes:
    """A model whose largest map has 64 channels."""
    kernel = numpy.full((64, 3, 3, 3), 0.01, numpy.float32)
    nodes = [
        hostile_models.node("Conv", "x first", "a", pads=[1, 1, 1, 1]),
        hostile_models.node("Conv", "a second", pads=[1, 1, 1, 1]),
    ]
    weights = [
        hostile_models.weight("first", kernel),
        hostile_models.weight("second", kernel.transpose(1, 0, 2, 3).copy()),
    ]
    return hostile_models.model(nodes, weights).SerializeToString()


def tree(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_size for path in folder.rglob("*")}


def test_a_model_of_plain_torch_gives_what_torch_gives(tmp_path: Path) -> None:
    module, content = plain_autoencoder()
    added = foreign.add(tmp_path, "mine", content, 'MIT, "as is"\n\u202e')
    assert added == foreign.find("onnx-mine", tmp_path).facts == foreign.listing(tmp_path).models[0]
    assert added.licence == 'MIT, "as is"'
    assert added.any_size
    model = foreign.find(added.key, tmp_path)
    for shape in ((1, 3, 32, 32), (130, 3, 32, 32), (2, 3, 48, 20)):
        pictures = torch.rand(shape)
        with torch.inference_mode():
            expected = module(pictures)
        # Two implementations of the same sums of at most 27 products.
        torch.testing.assert_close(model(pictures), expected, rtol=0, atol=1e-5)
    assert (model.name, model.code_size) == ("onnx-mine", None)


def test_a_photograph_of_odd_height_and_width_passes_through_a_model_that_halves(tmp_path: Path) -> None:
    module, content = plain_autoencoder()
    foreign.add(tmp_path, "mine", content)
    picture = torch.rand(1, 3, 45, 67)
    output = tiled.finished(tiled.at_full_resolution(foreign.find("onnx-mine", tmp_path), picture))
    with torch.inference_mode():
        whole = module(picture[:, :, :44, :66])
    assert output.shape == picture.shape
    # An output pixel sees at most two pixels to its right and below, and this one's end is cut away.
    torch.testing.assert_close(output[:, :, :40, :60], whole[:, :, :40, :60], rtol=0, atol=1e-5)


def test_a_large_photograph_passes_in_parts_between_which_it_can_be_given_up(tmp_path: Path) -> None:
    module, content = plain_autoencoder()
    foreign.add(tmp_path, "mine", content)
    model, picture = foreign.find("onnx-mine", tmp_path), torch.rand(1, 3, 700, 1000)
    steps = tiled.at_full_resolution(model, picture)
    shares, output = [], None
    while output is None:
        try:
            shares.append(next(steps))
        except StopIteration as end:
            output = end.value
    assert shares == [part / 6 for part in range(7)]  # parts of 384×384 without what they overlap by
    with torch.inference_mode():
        whole = module(picture)
    # Its pixels see two pixels away, less than half of the overlap, so that its parts give what one pass gives.
    torch.testing.assert_close(output, whole, rtol=0, atol=1e-5)
    assert tiled.way(model, (700, 1000)) == "parts of 512×512"
    assert tiled.way(model, (512, 512)) == "full resolution"


@pytest.mark.slow
def test_a_photograph_of_twelve_megapixels_fits_into_the_memory_of_the_process(tmp_path: Path) -> None:
    foreign.add(tmp_path, "wide", wide())
    model, picture = foreign.find("onnx-wide", tmp_path), torch.rand(1, 3, 3000, 4000)
    with pytest.raises(ForeignError):
        model(picture)
    assert tiled.finished(tiled.at_full_resolution(model, picture)).shape == picture.shape


def test_pictures_of_another_shape_are_refused_before_the_model_is_asked(tmp_path: Path) -> None:
    fixed = dict(hostile_models.files())["fixed size"]
    added = foreign.add(tmp_path, "fixed", fixed)
    assert (added.channels, added.height, added.width, added.any_size) == (3, 32, 32, False)
    assert added.takes((3, 32, 32))
    assert not added.takes((1, 28, 28))
    with pytest.raises(ForeignError, match="takes pictures of 3×32×32, not 3×16×16"):
        foreign.find("onnx-fixed", tmp_path)(torch.zeros(1, 3, 16, 16))


@pytest.mark.slow
def test_every_file_is_a_model_or_is_refused_in_one_sentence(tmp_path: Path) -> None:
    store, secret = tmp_path / "store", tmp_path / "secret"
    secret.write_text("not to be read")
    outside, before = tree(tmp_path), psutil.Process().memory_info().rss
    files = dict(hostile_models.files())
    assert len(files) > 80
    for number, (name, content) in enumerate(files.items()):
        if name in hostile_models.WHOLE:
            model = foreign.add(store, f"model-{number}", content, seconds=30)
            output = foreign.find(model.key, store)(
                torch.rand(3, model.channels, model.height or 32, model.width or 32)
            )
            assert output.isfinite().all(), name
            foreign.remove(store, model.name)
        else:
            with pytest.raises(ForeignError) as refused:
                foreign.add(store, f"model-{number}", content, seconds=2)
            text = str(refused.value)
            assert 10 < len(text) < 300, name
            assert text.isprintable(), name
        assert not foreign.listing(store).models, name
    assert psutil.Process().memory_info().rss - before < MOST_GROWTH
    left = tree(tmp_path).keys() - outside.keys()
    assert {Path(path).name for path in left} <= {"store", "foreign", ".lock"}


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "<b>", "Ünder", "x" * 62, "a\0b", "C:\\x", "\u202egnp"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    content = dict(hostile_models.files())["identity"]
    for change in (lambda: foreign.add(tmp_path, name, content), lambda: foreign.remove(tmp_path, name)):
        with pytest.raises(ForeignError):
            change()
    assert not tree(tmp_path)


def test_a_file_that_is_too_large_is_refused_without_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MOST_BYTES", 100)
    with pytest.raises(ForeignError, match="at most"):
        foreign.add(tmp_path, "large", bytes(101))


def test_another_file_does_not_take_a_name_and_the_same_one_may_come_again(tmp_path: Path) -> None:
    files = dict(hostile_models.files())
    first = foreign.add(tmp_path, "mine", files["identity"])
    assert foreign.add(tmp_path, "mine", files["identity"]) == first
    with pytest.raises(ForeignError, match="already"):
        foreign.add(tmp_path, "mine", files["convolution"])
    foreign.remove(tmp_path, "mine")
    second = foreign.add(tmp_path, "mine", files["convolution"])
    assert second.key != first.key
    with pytest.raises(ForeignError, match="any more"):
        foreign.find(first.key, tmp_path)


def test_what_was_changed_on_disk_is_refused(tmp_path: Path) -> None:
    files = dict(hostile_models.files())
    foreign.add(tmp_path, "mine", files["identity"])
    (tmp_path / "foreign" / "mine" / "model.onnx").write_bytes(files["convolution"])
    with pytest.raises(ForeignError, match="is damaged"):
        foreign.find("onnx-mine", tmp_path)(torch.rand(1, 3, 32, 32))
    (tmp_path / "foreign" / "mine" / "model.toml").write_text("name = ")
    assert "is damaged" in foreign.listing(tmp_path).damaged[0]
    assert foreign.add(tmp_path, "mine", files["identity"])  # replaces it


def test_a_process_that_dies_is_reported_once_and_started_again(tmp_path: Path) -> None:
    model = foreign.find(foreign.add(tmp_path, "mine", dict(hostile_models.files())["identity"]).key, tmp_path)
    pictures = torch.rand(2, 3, 32, 32)
    assert torch.equal(model(pictures), pictures)
    (process,) = foreign_process._running.values()
    os.kill(process.pid, signal.SIGSTOP)  # so that it is still there when it is asked, and does not answer
    killing = Timer(0.3, os.kill, (process.pid, signal.SIGKILL))
    killing.start()
    with pytest.raises(ForeignError, match="onnx-mine failed"):
        model(pictures)
    killing.join()
    assert torch.equal(model(pictures), pictures)


def test_it_is_killed_when_it_takes_too_long() -> None:
    with pytest.raises(ForeignError, match=r"longer than 0\.5 seconds"):
        foreign_process.Process(dict(hostile_models.files())["a loop that never ends"], "check", 0.5)


def test_an_output_that_is_no_number_is_refused(tmp_path: Path) -> None:
    # 1 / (x - 1) is finite on the pictures that it is tried on, none of whose values is 1.
    nodes = [
        hostile_models.node("Sub", "x one", "less"),
        hostile_models.node("Reciprocal", "less"),
    ]
    content = hostile_models.model(nodes, [hostile_models.weight("one", 1.0)]).SerializeToString()
    model = foreign.find(foreign.add(tmp_path, "one", content).key, tmp_path)
    assert model(torch.zeros(1, 3, 32, 32)).eq(-1).all()
    with pytest.raises(ForeignError, match="not finite"):
        model(torch.ones(1, 3, 32, 32))


def test_as_many_processes_as_may_run_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_process, "MOST_PROCESSES", 2)
    files = dict(hostile_models.files())
    models = [
        foreign.find(foreign.add(tmp_path, f"m{number}", files[name]).key, tmp_path)
        for number, name in enumerate(("identity", "convolution", "fixed size"))
    ]
    for model in models:
        assert model(torch.rand(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert len(foreign_process._running) == 2


def test_nobody_waits_for_the_start_of_another_model(tmp_path: Path) -> None:
    content = dict(hostile_models.files())["identity"]
    quick = foreign.find(foreign.add(tmp_path, "quick", content).key, tmp_path)
    pictures, may_start = torch.rand(1, 3, 32, 32), Event()

    def read_late() -> bytes:
        assert may_start.wait(60)
        return content

    with ThreadPoolExecutor(2) as pool:
        late = pool.submit(foreign_process.ask, "late", read_late, pictures.numpy())
        try:
            assert torch.equal(pool.submit(quick, pictures).result(30), pictures)
            assert not late.done()
        finally:
            may_start.set()
        assert (late.result(60) == pictures.numpy()).all()


def test_models_are_asked_while_others_are_removed() -> None:
    """Whoever asks gets an output, or the sentence that the model ended; nothing else goes wrong."""
    content = dict(hostile_models.files())["identity"]
    pictures = torch.rand(1, 3, 32, 32).numpy()
    stopping = Event()

    def remove_all_the_time() -> None:
        while not stopping.is_set():
            for digest in ("a", "b"):
                foreign_process.stop(digest)

    with ThreadPoolExecutor(3) as pool:
        removing = pool.submit(remove_all_the_time)
        try:
            asked = [pool.submit(foreign_process.ask, name, lambda: content, pictures) for name in "abab"]
            failures = [job.exception(60) for job in asked]
        finally:
            stopping.set()
        removing.result()
    assert {type(failure) for failure in failures} <= {type(None), ForeignError}


def test_a_process_that_nobody_asks_ends_and_starts_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign_process, "IDLE", 0.2)
    model = foreign.find(foreign.add(tmp_path, "mine", dict(hostile_models.files())["identity"]).key, tmp_path)
    pictures = torch.rand(1, 3, 32, 32)
    model(pictures)
    (process,) = foreign_process._running.values()
    _until(lambda: not process.is_alive)
    assert not foreign_process._running
    assert torch.equal(model(pictures), pictures)


def test_the_memory_of_a_picture_comes_back(tmp_path: Path) -> None:
    added = foreign.add(tmp_path, "wide", wide())
    model = foreign.find(added.key, tmp_path)
    model(torch.rand(1, 3, 32, 32))
    process = psutil.Process(foreign_process._running[added.sha256].pid)
    before = process.memory_info().rss
    model(torch.rand(1, 3, 512, 512))  # whose largest map takes 67 MB
    assert process.memory_info().rss - before < MOST_GROWTH


def test_models_are_checked_one_at_a_time(tmp_path: Path) -> None:
    files, most = dict(hostile_models.files()), 0
    with ThreadPoolExecutor(3) as pool:
        added = [pool.submit(foreign.add, tmp_path, f"m{number}", files["identity"]) for number in range(3)]
        while not all(job.done() for job in added):
            most = max(most, sum(map(_checks, psutil.Process().children())))
            time.sleep(0.01)
        assert [job.result().name for job in added] == ["m0", "m1", "m2"]
    assert most == 1


def _checks(child: psutil.Process) -> bool:
    try:
        return child.cmdline()[-1:] == ["check"]
    except psutil.Error:  # it has ended
        return False


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_store_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "foreign").write_text("in the way")
    with pytest.raises(AecoreError, match="cannot be written"):
        foreign.add(tmp_path, "mine", dict(hostile_models.files())["identity"])
