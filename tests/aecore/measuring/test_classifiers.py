"""Classifiers: named by their content, read whole or not at all, and found wherever the runs are."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.files import folders
from aecore.measuring import classifiers
from aecore.measuring.classifiers import DESIGNS, Classifier, ClassifierError, Design, design_for, load

CHECKPOINTS = Path(__file__).parents[3] / "checkpoints"
SMALL = Design("cifar10", (3, 32, 32), "conv4:linear | bn | act | pool32 | flatten | dense10:linear", 1, mirrors=True)


def weights(design: Design, seed: int = 0) -> dict[str, torch.Tensor]:
    """Weights of the right shapes in float16, drawn at random."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        state = design.module().state_dict()
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the runs, where nothing is shipped."""
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr(folders, "home", lambda: tmp_path / "nowhere")
    return tmp_path


@pytest.mark.parametrize("name", DESIGNS)
def test_every_classifier_is_shipped_and_small(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))  # a store of one's own has none
    design, source = DESIGNS[name], datasets.load(name)
    assert load(design).design == design
    assert (CHECKPOINTS / design.file).stat().st_size <= 2_000_000
    assert (design.shape, design.classes, design.title) == (source.shape, source.classes, source.title)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=list(DESIGNS))
def test_parameters_and_macs_are_those_that_torch_counts(design: Design) -> None:
    module = design.module().eval()
    assert design.parameters == sum(parameter.numel() for parameter in module.parameters())
    with FlopCounterMode(display=False) as counter:
        assert module(torch.zeros(1, *design.shape)).shape == (1, len(design.classes))
    assert design.macs == counter.get_total_flops() / 2


@pytest.mark.parametrize("name", DESIGNS)
def test_most_of_the_shipped_pictures_are_read_rightly(name: str) -> None:
    test = datasets.load(f"{name}-excerpt").test
    assert float((load(DESIGNS[name])(to_float(test.pixels)) == test.labels).double().mean()) > 0.85


def test_whatever_decides_the_weights_changes_the_key() -> None:
    changes = {"layers": SMALL.layers.replace("conv4", "conv5"), "epochs": 2, "mirrors": False, "shift": 2, "seed": 1}
    keys = {replace(SMALL, **{name: value}).key for name, value in changes.items()}
    assert len({SMALL.key, *keys}) == 1 + len(changes)
    assert replace(SMALL).key == SMALL.key
    assert SMALL.file == f"classifier-cifar10-{SMALL.key[:12]}.safetensors"


def test_the_output_is_the_class_with_the_largest_logit_of_the_clamped_pictures() -> None:
    pictures = 2 * torch.rand(300, 3, 32, 32, generator=torch.Generator().manual_seed(0)) - 0.5
    state = weights(SMALL)
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, eps=1e-3), nn.ReLU(), nn.MaxPool2d(32), nn.Flatten()
    ).append(nn.Linear(4, 10))
    module.load_state_dict(dict(zip(module.state_dict(), state.values(), strict=True)))
    with torch.no_grad():
        expected = module.double().eval()(4 * pictures.clamp(0, 1).double() - 2).argmax(1)
    assert torch.equal(Classifier(SMALL, state)(pictures), expected)


def test_what_is_stored_is_read_and_the_store_goes_first(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = store / "home" / "checkpoints"
    shipped.mkdir(parents=True)
    monkeypatch.setattr(folders, "home", lambda: store / "home")
    pictures = torch.rand(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for seed, folder in ((0, shipped), (1, store)):
        path = classifiers.store(SMALL, weights(SMALL, seed), folder)
        assert path == folder / SMALL.file
        assert torch.equal(load(SMALL)(pictures), Classifier(SMALL, weights(SMALL, seed))(pictures))


def test_a_missing_classifier_is_told_with_the_command_that_trains_it(store: Path) -> None:
    with pytest.raises(ClassifierError, match=r"CIFAR-10 is not here \(classifier-.*\): `python -m aecore legibility`"):
        load(SMALL)


@pytest.mark.parametrize("damage", ["empty", "cut", "changed", "of another"])
def test_a_damaged_file_is_named_and_not_used(damage: str, store: Path) -> None:
    path = classifiers.store(SMALL, weights(SMALL), store)
    content = bytearray(path.read_bytes())
    if damage == "changed":
        content[-1] ^= 1
    elif damage == "of another":
        other = replace(SMALL, seed=1)
        content = bytearray(classifiers.store(other, weights(other), store).read_bytes())
    path.write_bytes({"empty": b"", "cut": content[:-10]}.get(damage, bytes(content)))
    with pytest.raises(ClassifierError, match=rf"{SMALL.file} is damaged: remove it"):
        load(SMALL)


def test_pictures_that_no_classifier_knows_are_refused() -> None:
    for name in DESIGNS:
        source = datasets.load(name)
        assert design_for(source.shape) == design_for(source.shape, source.classes) == DESIGNS[name]
    for shape, classes in (
        ((3, 28, 28), None),
        ((3, 32, 32), ("cat", "dog")),
        ((1, 28, 28), DESIGNS["cifar10"].classes),
    ):
        with pytest.raises(ClassifierError, match="only for those of CIFAR-10 and MNIST"):
            design_for(shape, classes)
