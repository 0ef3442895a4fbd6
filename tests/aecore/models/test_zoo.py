"""The zoo: every system keeps one contract, the seed's facts and ours are in it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from aecore.data import datasets, splits
from aecore.data.noise import Noise
from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.modules import penalties
from aecore.models.own_zoo import OwnZooError
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.zoo import SYSTEMS, Start, System, UnknownSystemError, find, from_run, from_text, own_zoo
from aecore.reconstructors.pca import PCA, fit_pca
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store
from aecore.training.adam import EPSILON
from aecore.training.events import State
from aecore.training.initialisation import build
from tests.aecore.rounding import of_projection

CPU = torch.device("cpu")
STEPS, FACTOR = 60, 3
ROUNDING_STEPS = 180  # where each step draws rates and noise: four seeds took 45 to 107 steps


@dataclass(frozen=True)
class Trained:
    """A system after at most `STEPS` steps on the same 8 pictures, stopped once the error is `FACTOR` times less."""

    system: System
    pictures: Tensor
    losses: list[float]
    gradients: dict[str, Tensor]
    module: nn.Sequential


@pytest.fixture(scope="module")
def photographs() -> Tensor:
    return splits.to_float(datasets.load("sample").test.pixels[:8])


@pytest.fixture(scope="class", params=SYSTEMS)
def trained(request: pytest.FixtureRequest, photographs: Tensor) -> Trained:
    system = SYSTEMS[request.param]
    grey = system.architecture.input_shape == (1, 28, 28)
    pictures = photographs.mean(1, keepdim=True)[..., 2:30, 2:30] if grey else photographs
    module = build(system.architecture, system.recipe, 0, CPU)
    adam = torch.optim.Adam(module.parameters(), system.recipe.learning_rate, eps=EPSILON, fused=True)
    losses: list[float] = []
    gradients: dict[str, Tensor] = {}
    torch.manual_seed(0)
    for _ in range(ROUNDING_STEPS if system.architecture.entropy_model else STEPS):
        adam.zero_grad()
        loss = F.mse_loss(module(pictures), pictures)
        # A prior of probabilities learns from the bits alone.
        (loss + 1e-6 * sum(penalties(module).values())).backward()
        if not losses:
            gradients = {name: weight.grad.clone() for name, weight in module.named_parameters()}
        losses.append(loss.item())
        if losses[-1] * FACTOR < losses[0]:
            break
        adam.step()
    return Trained(system, pictures, losses, gradients, module.eval())


class TestEverySystem:
    def test_gives_back_a_picture_of_the_same_shape(self, trained: Trained) -> None:
        with torch.inference_mode():
            output = trained.module(trained.pictures)
        assert output.shape == trained.pictures.shape
        assert output.dtype == torch.float32
        assert output.min() < output.max()
        if trained.system.architecture.ends_in_unit_interval:
            assert output.min() >= 0
            assert output.max() <= 1

    def test_every_parameter_has_a_finite_gradient(self, trained: Trained) -> None:
        for name, gradient in trained.gradients.items():
            assert gradient.isfinite().all(), name
            assert gradient.any(), name

    def test_can_overfit_a_batch(self, trained: Trained) -> None:
        assert trained.losses[-1] * FACTOR < trained.losses[0]

    def test_has_a_text_form_that_reads_back(self, trained: Trained) -> None:
        assert Architecture.parse(str(trained.system.architecture)) == trained.system.architecture

    def test_survives_the_store_to_the_last_bit(self, trained: Trained, tmp_path: Path) -> None:
        system, store = trained.system, Store(tmp_path)
        spec = RunSpec(system.architecture, system.recipe, system.dataset, "0" * 64, name=system.name)
        weights = {name: tensor.contiguous() for name, tensor in trained.module.state_dict().items()}
        store.write_state(spec, State(1, weights, {}))
        read = store.read_state(spec)
        assert read is not None
        assert read.weights.keys() == weights.keys()
        assert all(torch.equal(read.weights[name], weights[name]) for name in weights)
        model, before = Model(spec, read.weights), Model(spec, weights)
        assert (model.name, model.code_size) == (system.name, system.architecture.code_size)
        assert torch.equal(model(trained.pictures), before(trained.pictures))


# The seed's table in DESIGN.md: family, data set, epochs, the pooled PSNR of its pictures.
SEED = {
    "mnist-dense": ("dense", "mnist", {10}, None),
    "dense": ("dense", "cifar10", {5}, 21.6),
    "dense-deep": ("dense", "cifar10", {5}, 19.3),
    "conv-dense": ("conv + dense", "cifar10", {5}, 20.4),
    "conv-dense-bn": ("conv + dense", "cifar10", {5}, 18.7),
    "shallow-maxpool": ("shallow", "cifar10", {2}, 28.1),
    "shallow-strided": ("shallow", "cifar10", {2}, 30.4),
    "shallow-strided-bn": ("shallow", "cifar10", {4}, 30.2),
    "deep-strided-8": ("deep", "cifar10", set(range(1, 11)), None),
    "deep-strided-4": ("deep", "cifar10", set(range(1, 11)), None),
    "deep-strided-8-bn": ("deep", "cifar10", set(range(1, 11)), None),
    "deep-strided-4-bn": ("deep", "cifar10", set(range(1, 11)), None),
    "deep-maxpool-8": ("deep", "cifar10", set(range(1, 11)), None),
    "deep-maxpool-4": ("deep", "cifar10", set(range(1, 11)), None),
    "denoise-030": ("denoising", "cifar10", {9}, None),
    "denoise-100": ("denoising", "cifar10", {9}, None),
}


# Ours: family, code size, noise.
OURS = {
    "denoise-blind": ("denoising", 8192, Noise.parse("gaussian:0..1")),
    "denoise-residual": ("denoising", None, Noise.parse("gaussian:0..1")),
    "denoise-unet": ("denoising", None, Noise.parse("gaussian:0..1")),
    "denoise-res-unet": ("denoising", None, Noise.parse("gaussian:0.02..1:log")),
    **{f"compress-{numbers}": ("compressing", numbers, None) for numbers in (64, 128, 256, 512, 1024)},
    "compress-rates": ("compressing", 1536, None),
}


def test_the_zoo_holds_the_seeds_systems_and_ours() -> None:
    assert list(SYSTEMS) == [*SEED, *OURS]


@pytest.mark.parametrize("name", OURS)
def test_ours_say_nothing_in_the_seeds_name(name: str) -> None:
    system, (family, numbers, noise) = SYSTEMS[name], OURS[name]
    assert (system.family, system.architecture.code_size, system.recipe.noise) == (family, numbers, noise)
    assert (system.dataset, system.seed_words, system.seed_psnr) == ("cifar10", "", None)
    assert system.title
    assert system.story[-1] == "."


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return datasets.load("sample").train.pixels[:600]


@pytest.fixture(scope="module")
def fitted(pixels: Tensor) -> PCA:
    """The fit, which takes seconds, for every compressor."""
    return fit_pca(pixels)


@pytest.mark.parametrize("numbers", [64, 512])
def test_a_compressor_starts_as_pca(numbers: int, pixels: Tensor, fitted: PCA, monkeypatch: pytest.MonkeyPatch) -> None:
    fits = {id(pixels): fitted}
    monkeypatch.setattr("aecore.training.initialisation.fit_pca", lambda learned: fits[id(learned)])
    system = SYSTEMS[f"compress-{numbers}"]
    module = build(system.architecture, system.recipe, 0, CPU, pixels).double()
    pictures = splits.to_float(datasets.load("sample").test.pixels[:50]).double()
    with torch.inference_mode():
        output = module(pictures).flatten(1)
    learned = pixels.flatten(1).numpy() / 255
    mean = learned.mean(0)
    axes = np.linalg.svd(learned - mean, full_matrices=False)[2][:numbers]
    expected = mean + (pictures.flatten(1).numpy() - mean) @ axes.T @ axes
    bound = of_projection(pictures, torch.from_numpy(mean), numbers)
    np.testing.assert_allclose(output, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("name", SEED)
def test_a_system_is_as_the_seed_has_it(name: str) -> None:
    system, (family, dataset, epochs, decibels) = SYSTEMS[name], SEED[name]
    assert (system.name, system.family, system.dataset, system.seed_psnr) == (name, family, dataset, decibels)
    assert system.recipe.epochs in epochs
    noise = {"denoise-030": Noise("gaussian", 0.3), "denoise-100": Noise("gaussian", 1.0)}.get(name)
    assert system.recipe == Recipe(
        system.recipe.epochs, batch_size=100, learning_rate=1e-3, loss="mse", noise=noise, initialisation="keras"
    )
    assert system.architecture.ends_in_unit_interval
    assert system.title
    assert system.story[-1] in ".?"


def test_the_pairs_that_are_compared_differ_in_one_thing() -> None:
    layers = {name: str(system.architecture) for name, system in SYSTEMS.items()}
    for depth in ("8", "4"):
        strided = layers[f"deep-strided-{depth}"]
        assert layers[f"deep-strided-{depth}-bn"].replace(" | bn", "") == strided
        assert layers[f"deep-maxpool-{depth}"].replace("pool", "conv32:s2") == strided
    assert layers["shallow-maxpool"].replace("pool", "conv32:s2") == layers["shallow-strided"]
    assert layers["shallow-strided-bn"].replace(" | bn", "") == layers["shallow-strided"]
    assert layers["denoise-030"] == layers["denoise-100"] == layers["denoise-blind"] == layers["shallow-strided-bn"]
    for sizes in ((64, 128), (512, 1024)):
        assert len({layers[f"compress-{numbers}"].replace(f"dense{numbers}", "dense") for numbers in sizes}) == 1


def test_an_unknown_name_gets_the_nearest_one() -> None:
    assert find("dense") is SYSTEMS["dense"]
    with pytest.raises(UnknownSystemError, match="did you mean shallow-strided\\?"):
        find("shalow-strided")


def test_a_text_is_a_system_by_name_or_by_its_layers() -> None:
    assert from_text("dense") is SYSTEMS["dense"]
    assert from_text(str(SYSTEMS["dense"].architecture)) is SYSTEMS["dense"]
    with pytest.raises(UnknownSystemError, match="did you mean dense\\?"):
        from_text("dens")


@pytest.mark.parametrize(
    ("layers", "dataset"),
    [
        ("conv4 | conv3:k1:sigmoid", "cifar10"),
        ("conv3:k1", "cifar10"),
        ("1x28x28 | flatten | dense784 | reshape1x28x28", "mnist"),
        ("3x64x64 | conv3", "scenes-64"),
        ("3x96x96 | conv3", "stl10"),
        ("3x48x48 | conv3", "cifar10"),  # no data set has such pictures; a folder can
    ],
)
def test_other_layers_start_from_the_default_recipe_on_pictures_of_their_shape(layers: str, dataset: str) -> None:
    assert from_text(layers) == Start("custom", "Custom", Architecture.parse(layers), Recipe(), dataset)


def test_a_run_starts_another_by_its_own_recipe() -> None:
    dense, recipe = SYSTEMS["dense"], Recipe(epochs=1)
    start = from_run(RunSpec(dense.architecture, recipe, "sample", "", name="dense"))
    assert isinstance(start, System)
    assert (start.story, start.recipe, start.dataset) == (dense.story, recipe, "sample")
    other = Architecture.parse("conv3:k1")
    assert from_run(RunSpec(other, recipe, "sample", "", name="dense")) == Start(
        "dense", "Dense", other, recipe, "sample"
    )


# ---- saved architectures


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Architecture:
    """An architecture that is saved as `slim` in the store that is the default."""
    monkeypatch.setenv("AECORE_CHECKPOINTS", str(tmp_path))
    architecture = Architecture.parse("1x28x28 | conv8:s2 | up | conv1:k1:sigmoid")
    own_zoo().save("slim", architecture)
    return architecture


def test_a_saved_architecture_is_a_system_of_ones_own(saved: Architecture) -> None:
    start = find("slim")
    assert from_text("slim") == from_text(str(saved)) == start
    assert (start.architecture, start.recipe, start.dataset, start.family) == (saved, Recipe(), "mnist", "your own")
    assert start.story == "Saved: 1x28x28 | conv8:s2 | up | conv1:k1:sigmoid."
    assert from_text("conv3:k3 | conv3").name == "custom"
    with pytest.raises(UnknownSystemError, match=r"did you mean slim\? Systems: .*\. Saved architectures: slim\.$"):
        find("slin")


@pytest.mark.parametrize("name", ["dense", "custom"])
def test_no_architecture_is_saved_under_a_name_of_the_zoo(saved: Architecture, name: str) -> None:
    with pytest.raises(OwnZooError, match="is the name of a system of the zoo"):
        own_zoo().save(name, saved)
    assert find("dense") is SYSTEMS["dense"]


def test_a_damaged_file_of_saved_ones_costs_no_system(saved: Architecture) -> None:
    own_zoo().path.write_bytes(b"\xff\n")
    assert find("dense") is SYSTEMS["dense"]
    assert from_text(str(saved)).name == "custom"


@pytest.mark.parametrize("line", ["conv3", "bn", "dropout0.25", "act:silu"])
def test_a_single_layer_is_a_line_of_layers_too(line: str) -> None:
    assert zoo.from_text(line).architecture == Architecture.parse(line)
    assert zoo.from_text(line).name == zoo.CUSTOM


def test_a_name_that_is_neither_system_nor_layer_is_refused_as_a_name() -> None:
    with pytest.raises(zoo.UnknownSystemError, match="did you mean"):
        zoo.from_text("shallow-stridet")
