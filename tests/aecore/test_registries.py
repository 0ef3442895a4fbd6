"""One entry in a registry is enough: something new goes through everything that is offered to the rest."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from torch import Generator, Tensor, nn

from aecore.data import catalog, datasets, downloads
from aecore.data.catalog import SOURCES, DatasetError, Source
from aecore.data.noise import KINDS, Kind, Noise, NoiseError, noisy
from aecore.data.splits import Dataset, Split, to_float
from aecore.measuring import metrics
from aecore.measuring.metrics import METRICS, Metric, ScoreError
from aecore.measuring.scoring import joined, per_picture, score
from aecore.models.architecture import Architecture, ArchitectureError
from aecore.models.diagnosis import diagnose
from aecore.models.layers import LAYERS, Layer, LayerError, Shape, size
from aecore.models.modules import module_of
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors.codecs import FORMATS, CodecError, Format
from aecore.reconstructors.onnx_export import export
from aecore.reconstructors.onnx_graphs import Graph, add_operators
from aecore.runs import execution
from aecore.runs.events import Finished
from aecore.runs.store import Store
from aecore.studies import by_name

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def sample() -> Dataset:
    return datasets.load("sample")


@pytest.fixture(scope="module")
def pictures(sample: Dataset) -> Tensor:
    return to_float(sample.test.pixels[:8])


# ---- a layer


@dataclass(frozen=True)
class Shuffle(Layer):
    """Enlargement by a whole `factor`: the channels become the pixels between (Shi et al. 2016)."""

    keyword: ClassVar[str] = "shuffle"
    example: ClassVar[str] = "2"
    keeps_numbers: ClassVar[bool] = True
    factor: int = size(2, low=2, high=16)

    def output_shape(self, shape: Shape) -> Shape:
        channels, height, width = shape
        if channels % self.factor**2:
            raise LayerError(f"needs a multiple of {self.factor**2} channels, got {channels}")
        return channels // self.factor**2, height * self.factor, width * self.factor

    def input_window(self, position: np.ndarray, extent: int) -> tuple[np.ndarray, np.ndarray]:
        return position // self.factor, position // self.factor


@module_of.register
def _shuffle(layer: Shuffle, shape: Shape) -> nn.Module:
    return nn.PixelShuffle(layer.factor)


@add_operators.register
def _shuffle_operators(layer: Shuffle, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.add("DepthToSpace", blocksize=layer.factor, mode="CRD")


LINE = "conv8:s2 | conv12 | shuffle2 | conv3:k1:sigmoid"


@pytest.fixture
def shuffle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAYERS, "shuffle", Shuffle)


@pytest.mark.usefixtures("shuffle")
def test_a_layer_is_read_and_every_number_derived() -> None:
    architecture = Architecture.parse(LINE)
    assert str(architecture).endswith(LINE.replace("shuffle2", "shuffle"))
    assert Architecture.parse(str(architecture)) == architecture
    assert [step.output_shape for step in architecture.steps] == [(8, 16, 16), (12, 16, 16), (3, 32, 32), (3, 32, 32)]
    assert architecture.parameters == sum(parameter.numel() for parameter in architecture.module().parameters())
    assert diagnose(LINE).architecture == architecture
    with pytest.raises(ArchitectureError, match=r"shuffle.*needs a multiple of 4 channels, got 10"):
        Architecture.parse("conv10 | shuffle")
    with pytest.raises(ArchitectureError, match="did you mean `shuffle`"):
        Architecture.parse("conv12 | shufle")
    typo, *_ = diagnose("conv8:s2 | conv12 | shufle2 | conv3").problems
    assert [repair.line for repair in typo.repairs] == ["conv8:s2 | conv12 | shuffle2 | conv3"]


@pytest.mark.usefixtures("shuffle")
def test_a_layer_is_trained_kept_and_loaded(sample: Dataset, pictures: Tensor, tmp_path: Path) -> None:
    recipe = Recipe(epochs=1, batch_size=10, images=20)
    spec = RunSpec(Architecture.parse(LINE), recipe, "sample", sample.fingerprint, 0)
    *_, last = execution.execute(spec, store=Store(tmp_path), device=CPU)
    assert isinstance(last, Finished)
    assert np.isfinite(last.run.history()["train_loss"]).all()
    model = Store(tmp_path).load(last.run.key)
    first, second, _, last_layer = model.module
    with torch.inference_mode():
        maps = second(first(pictures)).numpy()  # [N, 12, 16, 16]
        # As the paper has it: pixel (2y + i, 2x + j) of channel c is channel 4c + 2i + j at (y, x).
        enlarged = maps.reshape(-1, 3, 2, 2, 16, 16).transpose(0, 1, 4, 2, 5, 3).reshape(-1, 3, 32, 32)
        expected = last_layer(torch.from_numpy(np.ascontiguousarray(enlarged)))
    torch.testing.assert_close(model(pictures), expected)
    session = onnxruntime.InferenceSession(export(model), providers=["CPUExecutionProvider"])
    (output,) = session.run(None, {"pictures": pictures.numpy()})
    torch.testing.assert_close(torch.from_numpy(output), expected)


# ---- a noise


def _exponential(images: Tensor, level: float, generator: Generator) -> Tensor:
    return images + level * images.new_empty(images.shape).exponential_(generator=generator)


@pytest.fixture
def exponential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(KINDS, "exponential", Kind("Exponential", "mean", 1.0, _exponential))


@pytest.mark.usefixtures("exponential")
def test_a_noise_is_read_corrupts_and_is_keyed(pictures: Tensor) -> None:
    noise = Noise.parse("exponential:0.2")
    assert Noise.parse(str(noise)) == noise
    corrupted = noisy(pictures, noise, 3, range(8))
    added = (corrupted - pictures).numpy()
    assert added.min() >= -1e-6
    assert added.mean() == pytest.approx(0.2, abs=5 * 0.2 / added.size**0.5), "within five standard errors"
    assert torch.equal(noisy(pictures[5:6], noise, 3, [5]), corrupted[5:6]), "the same picture, the same draw"
    assert not torch.equal(noisy(pictures[5:6], noise, 3, [6]), corrupted[5:6])
    assert not torch.equal(noisy(pictures[5:6], noise, 4, [5]), corrupted[5:6])


@pytest.mark.usefixtures("exponential")
def test_a_noise_is_part_of_a_recipe_and_refused_beyond_its_highest_level() -> None:
    recipe = Recipe(epochs=1, noise=Noise.parse("exponential:0..0.5"))
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe
    with pytest.raises(NoiseError, match=r"exponential noise \(mean\) must be from 0 to 1, not 2"):
        Noise.parse("exponential:2")
    with pytest.raises(NoiseError, match="did you mean exponential"):
        Noise.parse("exponental:0.2")


# ---- a metric


def _mean_absolute(output: Tensor, target: Tensor) -> Tensor:
    return (output.clamp(0, 1) - target).abs().flatten(1).mean(1)


@pytest.fixture
def mean_absolute(monkeypatch: pytest.MonkeyPatch) -> None:
    sees = "Mean absolute error over all values of the picture, white being 1."
    metric = Metric("MAE", "", False, (0, 1), "Gauss 1809", sees, _mean_absolute, smallest=16, channels=(3,))
    monkeypatch.setitem(METRICS, "mae", metric)


@pytest.mark.usefixtures("mean_absolute")
def test_a_metric_is_computed_for_each_picture(sample: Dataset, pictures: Tensor, tmp_path: Path) -> None:
    output = noisy(pictures, Noise("gaussian", 0.3), 0, range(8))
    expected = np.abs(output.clamp(0, 1).numpy().astype("float64") - pictures.numpy()).mean((1, 2, 3))
    np.testing.assert_allclose(per_picture(output, pictures, ("mse", "mae"))["mae"], expected, rtol=1e-5)
    identity = by_name.find("identity", sample, None, Store(tmp_path))
    split = Split(sample.test.pixels[:8], sample.test.labels[:8])
    scored = joined(score(identity, split, Noise("gaussian", 0.3), metrics=metrics.parse("psnr, mae"), batch=3))
    np.testing.assert_allclose(scored["mae"], expected, rtol=1e-5)
    assert METRICS["mae"].meaning.endswith("From 0 to 1, lower is better (Gauss 1809).")


@pytest.mark.usefixtures("mean_absolute")
def test_a_metric_is_refused_where_it_is_not_defined() -> None:
    for shape, sentence in (((1, 28, 28), "MAE needs pictures of 3 channels"), ((3, 8, 8), "at least 16×16 pixels")):
        with pytest.raises(ScoreError, match=sentence):
            per_picture(torch.zeros(2, *shape), torch.zeros(2, *shape), ("mae",))
    with pytest.raises(ScoreError, match="did you mean mae"):
        metrics.parse("maee")


# ---- a codec


@pytest.fixture
def tiff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "tiff", Format("TIFF", 1, 65_000, {"compression": "jpeg"}, {}))


@pytest.mark.usefixtures("tiff")
def test_a_codec_reconstructs_by_its_name(sample: Dataset, pictures: Tensor, tmp_path: Path) -> None:
    assert by_name.is_baseline("tiff-75")
    codec = by_name.find("tiff-75", sample, None, Store(tmp_path))
    output = codec(pictures)
    buffer = BytesIO()
    pixels = sample.test.pixels[2].permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, "tiff", compression="jpeg", quality=75)
    expected = np.asarray(Image.open(buffer).convert("RGB")) / np.float32(255)
    np.testing.assert_array_equal(output[2].permute(1, 2, 0).numpy(), expected)
    errors = [
        float((by_name.find(f"tiff-{quality}", sample, None, Store(tmp_path))(pictures) - pictures).square().mean())
        for quality in (20, 75, 95)
    ]
    assert errors == sorted(errors, reverse=True)
    with pytest.raises(CodecError, match="TIFF has qualities from 1 to 100, not 101: the nearest is tiff-100"):
        by_name.find("tiff-101", sample, None, Store(tmp_path))


# ---- a data set


IDX = {  # each file of the data set, and the shape of what we write into it
    "train-images-idx3-ubyte": (20, 28, 28),
    "train-labels-idx1-ubyte": (20,),
    "t10k-images-idx3-ubyte": (5, 28, 28),
    "t10k-labels-idx1-ubyte": (5,),
}


@pytest.fixture
def kuzushiji(monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set that torchvision knows and the catalogue does not."""
    source = Source(
        title="Kuzushiji-MNIST",
        factory="KMNIST",
        parts={"learning": {"train": True}, "test": {"train": False}},
        labels="targets",
        folder="KMNIST/raw",
        files=tuple(IDX),
        classes="o, ki, su, tsu, na, ha, ma, ya, re, wo",
        shape=(1, 28, 28),
        pictures=25,
        test_pictures=5,
        megabytes=21,
    )
    monkeypatch.setitem(SOURCES, "kmnist", source)


@pytest.mark.usefixtures("kuzushiji")
def test_a_data_set_is_listed_read_and_not_fetched_twice(tmp_path: Path) -> None:
    root, draw = tmp_path, np.random.default_rng(0)
    arrays = {file: draw.integers(0, 256 if len(shape) == 3 else 10, shape, np.uint8) for file, shape in IDX.items()}
    assert not catalog.available("kmnist", root)
    with pytest.raises(DatasetError, match=r"Kuzushiji-MNIST is not in .*: run `python -m aecore data fetch kmnist`"):
        _ = datasets.load("kmnist", root).test
    folder = root / "KMNIST" / "raw"
    folder.mkdir(parents=True)
    for file, values in arrays.items():
        head = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
        (folder / file).write_bytes(head + values.tobytes())
    assert catalog.available("kmnist", root)
    (status,) = (entry for entry in catalog.status(root) if entry.name == "kmnist")
    assert (status.title, status.available, status.path) == ("Kuzushiji-MNIST", True, folder)
    dataset = datasets.load("kmnist", root)
    learning = torch.cat([dataset.train.pixels, dataset.validation.pixels])
    train_images, train_labels, test_images, test_labels = arrays.values()
    np.testing.assert_array_equal(learning[:, 0], train_images)
    np.testing.assert_array_equal(dataset.test.pixels[:, 0], test_images)
    np.testing.assert_array_equal(torch.cat([dataset.train.labels, dataset.validation.labels]), train_labels)
    np.testing.assert_array_equal(dataset.test.labels, test_labels)
    assert (len(dataset.train), len(dataset.validation), dataset.classes[3]) == (18, 2, "tsu")
    messages = list[str]()
    downloads.fetch("kmnist", root, messages.append)
    assert messages == [f"Kuzushiji-MNIST is already in {root}, intact."]
