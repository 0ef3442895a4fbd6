"""Which place is meant, which are refused, and how an engine is added."""

import subprocess
import sys
from pathlib import Path

import pytest

from aecore.files import background
from aecore.models.recipe import RunSpec
from aecore.runs.store import Store
from aecore.scheduling import engines, places, supervision
from aecore.scheduling.places import ENGINES, LOCAL, Place, PlaceError
from aecore.scheduling.queue import Queue
from aecore.training.devices import devices
from aecore.training.events import TrainingError
from tests.aecore.scheduling import made_up
from tests.aecore.scheduling.queued import uninterrupted
from tests.aecore.small_runs import result, spec_of

pytestmark = pytest.mark.usefixtures("one_thread")
RAY = "127.0.0.1:6379"
HERE, THERE = (Place("made-up", address, "cpu") for address in made_up.ADDRESSES)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AECORE_ENGINE", raising=False)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    monkeypatch.setenv("RAY_ADDRESS", RAY)
    monkeypatch.setitem(ENGINES, "made-up", made_up.REGISTERED)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(Store(tmp_path / "store"))


def submit(queue: Queue, spec: RunSpec, place: Place) -> int:
    """Queue a run that no supervisor starts: the test will be the supervisor."""
    with supervision.hold(queue.store.root):
        return queue.submit(spec, place).id


# ---- which place is meant


def test_without_a_word_it_is_the_fastest_device_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Place.chosen() == Place.here() == Place(LOCAL, None, devices()[0])
    monkeypatch.setenv("AECORE_ENGINE", "ray")
    assert Place.chosen() == Place("ray", RAY, "cpu")
    assert Place.chosen(device="cuda") == Place("ray", RAY, "cuda")
    assert Place.chosen("local", "cpu") == Place(LOCAL, None, "cpu"), "what is asked for in particular counts"


def test_an_unknown_engine_or_device_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainingError, match="There is no device 'tpu' on this machine"):
        Place.chosen(device="tpu")
    with pytest.raises(PlaceError, match="There is no device 'mps' on a cluster: ask for one of cpu, cuda"):
        Place.chosen("ray", "mps")
    monkeypatch.setenv("AECORE_ENGINE", "dask")
    with pytest.raises(PlaceError, match="There is no engine 'dask': AECORE_ENGINE is one of local, ray, made-up"):
        Place.chosen()


def test_every_place_of_an_engine_can_be_chosen() -> None:
    assert Place.choices() == [Place(LOCAL, None, device) for device in devices()]
    assert Place.choices("ray") == [Place("ray", RAY, "cpu"), Place("ray", RAY, "cuda")]


def test_a_place_in_words() -> None:
    assert Place.here("cpu").text == "cpu"
    assert Place("ray", RAY, "cuda").text == f"GPU of the Ray cluster at {RAY}"
    assert Place("gone", None, "cpu").text == "CPU of the engine gone"
    assert [place.is_here for place in (Place.here("cpu"), HERE)] == [True, False]


def test_the_cpu_of_this_machine_is_chosen_without_torch() -> None:
    """As in `test_house`: what only names things does not wait for it."""
    code = "import sys; from aecore.scheduling.places import Place; Place.chosen('local', 'cpu'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=background.ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "aecore.scheduling.engines" in loaded
    assert not {"torch", "ray"} & set(loaded)


@pytest.mark.parametrize("name", ["local", "ray", "made-up"])
def test_every_registered_engine_offers_what_it_then_accepts(name: str) -> None:
    engine = places.find_engine(name)
    assert engine.title
    assert engine.device(None) in engine.devices()
    assert [engine.device(device) for device in engine.devices()] == engine.devices()
    assert all(place.checked() == place for place in Place.choices(name))
    assert set(ENGINES) == {"local", "ray", "made-up"}, "and each is here"


# ---- an engine of one's own


def test_an_engine_needs_no_more_than_its_line_in_the_registry(pictures: Path, queue: Queue, tmp_path: Path) -> None:
    spec = spec_of(pictures)
    assert Place.chosen("made-up") == HERE
    run = submit(queue, spec, HERE)
    assert queue.entry(run).place == HERE
    assert list(engines.supervise(queue)) == [
        f"custom (run {run}) started on CPU of the workshop at here:1.",
        f"custom (run {run}): finished.",
    ]
    entry = queue.entry(run)
    assert (entry.state, entry.attempt, entry.whole_epochs) == ("finished", 1, 3)
    assert [row.epoch for row in queue.epochs(run)] == [1, 2, 3]
    assert queue.epochs(run)[-1].preview
    assert queue.log(run).endswith("Finished.")
    assert result(queue.store.finished(spec)) == uninterrupted(spec, tmp_path / "other")


def test_a_place_that_cannot_be_used_holds_up_its_own_runs_alone(pictures: Path, queue: Queue) -> None:
    lathe, nowhere = Place("made-up", HERE.address, "lathe"), Place("made-up", "nowhere:3", "cpu")
    waiting = submit(queue, spec_of(pictures, 0, epochs=1), lathe)
    astray = submit(queue, spec_of(pictures, 1, epochs=1), nowhere)
    run = submit(queue, spec_of(pictures, 2, epochs=1), HERE)
    with pytest.raises(PlaceError, match=r"^The lathe is being repaired\. There is no workshop at nowhere:3\.$"):
        list(engines.supervise(queue))
    assert queue.entry(run).state == "finished"
    assert [queue.entry(other).state for other in (waiting, astray)] == ["queued", "queued"]
    assert queue.entry(astray).reason == "There is no workshop at nowhere:3."


def test_an_engine_is_at_one_address_at_a_time(pictures: Path, queue: Queue) -> None:
    first = submit(queue, spec_of(pictures, 0, epochs=1), HERE)
    second = submit(queue, spec_of(pictures, 1, epochs=1), THERE)
    for sentence in engines.supervise(queue):
        if sentence == f"custom (run {first}): finished.":
            assert queue.entry(second).reason == "It waits until the runs on another workshop have ended."
    assert queue.entry(second).state == "finished"


def test_a_run_of_an_engine_that_is_gone_waits(pictures: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit(queue, spec_of(pictures), HERE)
    monkeypatch.delitem(ENGINES, "made-up")
    with pytest.raises(PlaceError, match="There is no engine 'made-up'"):
        list(engines.supervise(queue))
    assert queue.entry(run).state == "queued"
    assert queue.entry(run).place.text == "CPU of the engine made-up at here:1"
