"""What a run will cost: measured where it was, roughly told from other runs, and never made up."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from aecore.data import datasets
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.runs.store import Store
from aecore.scheduling import costs, supervision
from aecore.scheduling.places import accelerator
from aecore.scheduling.queue import Queue
from aecore.training import devices
from aecore.training.events import TrainingError

PUBLISHED = Store(Path(__file__).parents[3] / "checkpoints")
pytestmark = pytest.mark.usefixtures("one_thread")


def spec_of(layers: str = "conv8 | conv3:k1:sigmoid", **recipe: Any) -> RunSpec:
    return RunSpec(Architecture.parse(layers), Recipe(**recipe), "sample", "0" * 64)


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(Store(tmp_path))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Queue:
    """The published runs without their weights, beside a queue that is the test's own."""
    root = tmp_path_factory.mktemp("published")
    for run in PUBLISHED.listing().runs:
        (root / run.path.name).mkdir()
        for name in ("run.json", "history.csv"):
            shutil.copy(run.path / name, root / run.path.name)
    return Queue(Store(root))


def test_where_there_is_nothing_to_go_by_nothing_is_said(queue: Queue) -> None:
    assert costs.estimate(spec_of(), "cpu", queue) is None


def test_an_estimate_agrees_with_what_was_measured(queue: Queue) -> None:
    spec = spec_of(epochs=3)
    speed = costs.measure(spec, "cpu", queue, seconds=0.2)
    estimate = costs.estimate(spec, "cpu", queue)
    assert estimate is not None
    assert estimate.measured_here
    assert estimate.images_per_second == speed
    sample = datasets.load("sample")
    pictures = len(sample.train) + len(sample.validation) * costs.FORWARD_SHARE
    assert estimate.seconds == pytest.approx(3 * pictures / speed)
    twice = costs.estimate(spec_of(epochs=6), "cpu", queue)
    assert twice is not None
    assert twice.seconds == pytest.approx(2 * estimate.seconds)
    fewer = costs.estimate(spec_of(epochs=3, images=100), "cpu", queue)
    assert fewer is not None
    assert fewer.seconds == pytest.approx(3 * (100 + len(sample.validation) * costs.FORWARD_SHARE) / speed)


def test_what_was_measured_holds_for_its_architecture_and_batch_size_alone(queue: Queue) -> None:
    costs.measure(spec_of(), "cpu", queue, seconds=0.1)
    assert costs.estimate(spec_of(learning_rate=0.1), "cpu", queue) is not None
    assert costs.estimate(spec_of(batch_size=50), "cpu", queue) is None
    assert costs.estimate(spec_of("conv9 | conv3:k1:sigmoid"), "cpu", queue) is None


def test_measuring_leaves_no_run(queue: Queue) -> None:
    with supervision.hold(queue.store.root):
        costs.measure(spec_of(), "cpu", queue, seconds=0.1)
        assert queue.entries() == []
    listing = queue.store.listing()
    assert (listing.runs, listing.unfinished, listing.damaged) == ([], [], [])


def test_what_cannot_be_trained_cannot_be_measured(queue: Queue) -> None:
    with pytest.raises(TrainingError, match="has nothing to train"):
        costs.measure(spec_of("pool | up"), "cpu", queue)


def test_a_rough_estimate_says_that_it_is_and_from_what(published: Queue) -> None:
    estimate = costs.estimate(spec_of("conv16 | conv16:s2 | up | conv3:k1:sigmoid"), "cpu", published)
    assert estimate is not None
    assert not estimate.measured_here
    assert estimate.source == f"a rough guess from {len(zoo.SYSTEMS)} finished runs on 2 CPU cores, not measured here"
    assert costs.rough_speed(spec_of(), "cuda:0", published) is None, "what a CPU took says nothing of a GPU"


def test_an_epoch_is_estimated_on_every_device_of_which_something_is_known(published: Queue, queue: Queue) -> None:
    spec, pictures = spec_of(epochs=7), (450, 50)
    assert costs.per_epoch(spec, pictures, queue) == {}
    speed = costs.measure(spec, "cpu", queue, seconds=0.1)
    ((device, epoch),) = costs.per_epoch(spec, pictures, queue).items()
    assert device == f"cpu ({accelerator('cpu')})"
    assert epoch.seconds == pytest.approx((450 + 50 * costs.FORWARD_SHARE) / speed)
    assert epoch.measured_here
    ((device, rough),) = costs.per_epoch(spec, pictures, published).items()
    assert device == "cpu"
    assert not rough.measured_here
    assert "a rough guess from" in rough.source


def test_rough_estimates_are_within_a_third_of_runs_left_out(
    published: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each published run, estimated from the others, for a processor that trains it in the same numbers."""
    for run in published.store.listing().runs:
        rounded = "bfloat16" in str(run.environment["dtype"])
        monkeypatch.setattr(devices, "multiplies_bfloat16", lambda device, rounded=rounded: rounded)
        root = tmp_path / run.name
        shutil.copytree(published.store.root, root, ignore=shutil.ignore_patterns(run.path.name, ".locks", "queue*"))
        rough = costs.rough_speed(run.spec, "cpu", Queue(Store(root)))
        seconds = costs.seconds_per_picture(run)
        assert rough is not None
        assert seconds is not None
        assert 0.75 < rough[0] * seconds < 1.33, run.name


def test_more_work_never_costs_less(published: Queue) -> None:
    speeds = []
    for channels in (8, 16, 32, 64):
        rough = costs.rough_speed(spec_of(f"conv{channels} | conv{channels} | conv3:k1:sigmoid"), "cpu", published)
        assert rough is not None
        speeds.append(rough[0])
    assert speeds == sorted(speeds, reverse=True)


def test_a_damaged_history_costs_only_its_own_run(published: Queue, tmp_path: Path) -> None:
    root = tmp_path / "store"
    shutil.copytree(published.store.root, root)
    next(root.glob("dense-*/history.csv")).write_text("nothing of the kind")
    estimate = costs.estimate(spec_of(), "cpu", Queue(Store(root)))
    assert estimate is not None
    assert f"from {len(zoo.SYSTEMS) - 1} finished runs" in estimate.source
