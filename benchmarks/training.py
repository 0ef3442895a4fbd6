"""Tests the claim that our training loop is at least as fast as a plain PyTorch loop and Keras on the same two cores.

    python -m benchmarks.training

prints the images/s of three peers on the same architectures and the same pictures, and the ratios between them:

    ours    aecore.training.loop.train on the CPU, as the command line and the dashboard run it
    plain   torchvision's CIFAR10 with ToTensor through a shuffling DataLoader, default layout, torch.optim.Adam
    keras   Keras 3 on TensorFlow: model.fit on float32 arrays in [0, 1], everything else Keras's default

Each peer has a process of its own. They train one epoch at a time in turn, so that only one computes at once and all
are affected by other load on the machine: trust the ratios, not the rates. Validation and saving are not timed.

    python -m benchmarks.training --device cuda --keras-python PYTHON

compares them on a GPU; PYTHON must have Keras and JAX.

    python -m benchmarks.training --scoring

prints how long MSE, PSNR and SSIM of 10,000 pictures take, and where the time goes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from aecore.models import zoo
from aecore.models.layers import Add, BatchNorm, Conv, Dense, Flatten, Reshape, Skip, TransposedConv, Upsample

# Torch and TensorFlow are imported by the peers that need them: each has its process, Keras its own environment.
if TYPE_CHECKING:
    from torch import Tensor, nn

    from aecore.data.splits import Split
    from aecore.models.architecture import Architecture
    from aecore.models.steps import Step
    from aecore.models.zoo import System

ROOT = Path(__file__).parent.parent
# Per epoch, so that ours takes two to four seconds on two cores.
IMAGES = {"shallow-strided": 3000, "dense": 9000, "deep-strided-4-bn": 2000, "denoise-unet": 1500}
GPU_IMAGES = 45_000
BATCH = 100
THREADS = 2
SCORED = 10_000


@dataclass(frozen=True)
class Peer:
    """A way to train: `epoch` trains for one epoch and returns its seconds."""

    parameters: int
    note: str
    epoch: Callable[[], float]


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    started = perf_counter()
    work()
    return perf_counter() - started


# ---- the peers; `pixels` is uint8 [N, 3, 32, 32]


def ours(system: System, pixels: np.ndarray, device: str) -> Peer:
    """`train`, as all its callers iterate it; the clock stops at the last report of an epoch, before validation."""
    import torch

    from aecore.data.splits import Dataset, Split
    from aecore.files.allocator import keep_freed_memory
    from aecore.models.recipe import Recipe, RunSpec
    from aecore.training.devices import environment
    from aecore.training.events import Progress
    from aecore.training.loop import train

    keep_freed_memory()  # as in every process that trains a run
    _limit_threads(device)
    split = Split(torch.from_numpy(pixels), torch.zeros(len(pixels), dtype=torch.int64))
    held_out = Split(split.pixels[:BATCH], split.labels[:BATCH])
    dataset = Dataset("benchmark", "Benchmark", (), (3, 32, 32), lambda: (split, held_out), lambda: (held_out,))
    recipe = Recipe(epochs=10_000, batch_size=BATCH)  # MSE without noise, as the others train
    spec = RunSpec(system.architecture, recipe, dataset.name, "", name=system.name)
    events = train(spec, dataset, torch.device(device))

    def epoch() -> float:
        started = perf_counter()
        for event in events:
            if isinstance(event, Progress):
                ended = perf_counter()
            else:
                return ended - started
        raise AssertionError("more rounds than epochs")

    precision = environment(spec, torch.device(device))["dtype"]
    return Peer(system.architecture.parameters, f"torch {torch.__version__}, {precision}", epoch)


def plain(system: System, pixels: np.ndarray, device: str) -> Peer:
    """The loop of the tutorials, with the better of 0 and 2 loader workers."""
    import torch
    from torch.nn import functional as F
    from torch.utils.data import DataLoader
    from torchvision.datasets import CIFAR10
    from torchvision.transforms import ToTensor

    _limit_threads(device)
    pictures = CIFAR10.__new__(CIFAR10)  # torchvision's own access to a picture, without its files
    pictures.data, pictures.targets = pixels.transpose(0, 2, 3, 1).copy(), [0] * len(pixels)
    pictures.transform, pictures.target_transform = ToTensor(), None
    model = torch_module(system.architecture).to(device)
    optimiser = torch.optim.Adam(model.parameters())

    def train_on(loader: DataLoader[tuple[Tensor, Tensor]]) -> float:
        total = 0.0
        model.train()
        for batch, _ in loader:
            images = batch.to(device)
            optimiser.zero_grad()
            loss = F.mse_loss(model(images), images)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += loss.item()
        return total / len(loader)

    # Persistent workers: in such short epochs their start would count more than in one of 45,000 pictures.
    loaders = {
        workers: DataLoader(pictures, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        for workers in (0, 2)
    }
    seconds = {}
    for workers, loader in loaders.items():
        train_on(loader)
        seconds[workers] = timed(partial(train_on, loader))
    workers = min(seconds, key=lambda count: seconds[count])
    loader = loaders.pop(workers)
    loaders.clear()
    tried = " and ".join(f"{len(pixels) / spent:,.0f} with {count}" for count, spent in seconds.items())
    note = f"torch {torch.__version__}, num_workers={workers} (tried once: images/s {tried})"
    return Peer(
        sum(parameter.numel() for parameter in model.parameters()), note, lambda: timed(lambda: train_on(loader))
    )


def _limit_threads(device: str) -> None:
    if device == "cpu":
        import torch

        torch.set_num_threads(THREADS)


def _keras_backend(device: str) -> str:
    """Choose the backend and limit its threads; returns its name and version."""
    if device != "cpu":
        os.environ["KERAS_BACKEND"] = "jax"
        import jax

        return f"jax {jax.__version__}, {jax.devices()[0].device_kind}"
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() != THREADS:  # may be set only once
        tf.config.threading.set_intra_op_parallelism_threads(THREADS)
        tf.config.threading.set_inter_op_parallelism_threads(THREADS)
    return f"tensorflow {tf.__version__}"


def keras(system: System, pixels: np.ndarray, device: str) -> Peer:
    """`model.fit` with Keras's defaults."""
    backend = _keras_backend(device)
    import keras

    images = pixels.transpose(0, 2, 3, 1).astype(np.float32) / 255
    model = keras_model(system.architecture)
    model.compile(optimizer="adam", loss="mse")

    def epoch() -> float:
        return timed(lambda: model.fit(images, images, batch_size=BATCH, epochs=1, verbose=0))

    note = f"keras {keras.__version__} on {backend}, jit_compile={model.jit_compile} by default"
    # Without the running means of batch norm, which no gradient changes.
    return Peer(sum(int(np.prod(weight.shape)) for weight in model.trainable_weights), note, epoch)


PEERS: dict[str, Callable[[System, np.ndarray, str], Peer]] = {"ours": ours, "plain": plain, "keras": keras}


def torch_module(architecture: Architecture) -> nn.Module:  # noqa: C901 - a case per layer
    """The architecture as one would write it by hand (symmetric padding, where ours pads as Keras does)."""
    from torch import nn

    activations: dict[str, list[nn.Module]] = {"relu": [nn.ReLU()], "sigmoid": [nn.Sigmoid()], "linear": []}

    def module_of(step: Step) -> nn.Module:
        channels = step.input_shape[0]
        match step.layer:
            case Conv(filters, kernel, stride, activation):
                padding = kernel // 2 if kernel % 2 else 0  # an even kernel is as wide as its stride here
                conv = nn.Conv2d(channels, filters, kernel, stride, padding=padding)
                return nn.Sequential(conv, *activations[activation])
            case TransposedConv(filters, kernel, stride, activation) if kernel == stride:
                return nn.Sequential(nn.ConvTranspose2d(channels, filters, kernel, stride), *activations[activation])
            case Dense(units, activation):
                return nn.Sequential(nn.Linear(channels, units), *activations[activation])
            case Upsample(factor, "nearest"):
                return nn.Upsample(scale_factor=factor)
            case BatchNorm():
                return nn.BatchNorm2d(channels)
            case Flatten():
                return nn.Flatten()
            case Reshape(shape):
                return nn.Unflatten(1, shape)
            case Skip() | Add():
                return nn.Identity()
            case other:
                raise ValueError(f"The plain peer has no {other.keyword}.")

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(map(module_of, architecture.steps))

        def forward(self, values: Tensor) -> Tensor:
            skipped = []
            for step, module in zip(architecture.steps, self.layers, strict=True):
                values = module(values)
                if isinstance(step.layer, Skip):
                    skipped.append(values)
                elif isinstance(step.layer, Add):
                    values = values + skipped.pop()
            return values

    return Network()


def keras_model(architecture: Architecture) -> Any:  # noqa: C901 - a case per layer
    """The same architecture in Keras's layers, channels last."""
    import keras
    from keras import layers

    channels, height, width = architecture.input_shape
    given = keras.Input((height, width, channels))
    values, skipped = given, []
    for step in architecture.steps:
        match step.layer:
            case Conv(filters, kernel, stride, activation):
                values = layers.Conv2D(filters, kernel, stride, padding="same", activation=activation)(values)
            case TransposedConv(filters, kernel, stride, activation):
                values = layers.Conv2DTranspose(filters, kernel, stride, padding="same", activation=activation)(values)
            case Dense(units, activation):
                values = layers.Dense(units, activation=activation)(values)
            case Upsample(factor, "nearest"):
                values = layers.UpSampling2D(factor)(values)
            case BatchNorm():
                values = layers.BatchNormalization()(values)
            case Flatten():
                values = layers.Flatten()(values)
            case Reshape((depth, rows, columns)):
                values = layers.Reshape((rows, columns, depth))(values)
            case Skip():
                skipped.append(values)
            case Add():
                values = layers.Add()([values, skipped.pop()])
            case other:
                raise ValueError(f"The Keras peer has no {other.keyword}.")
    return keras.Model(given, values)


# ---- one process per peer


def work(name: str, pictures: Path, device: str) -> None:
    """Answer each line `system images` on stdin with a line of JSON: the speed of one more epoch."""
    pixels = np.load(pictures)
    peers: dict[str, Peer] = {}
    for line in sys.stdin:
        system, images = line.split()
        if system not in peers:
            peers[system] = PEERS[name](zoo.find(system), pixels[: int(images)], device)
        peer = peers[system]
        rate = int(images) / peer.epoch()
        print(json.dumps({"images_per_second": rate, "parameters": peer.parameters, "note": peer.note}), flush=True)


class Worker:
    """A peer's process."""

    def __init__(self, name: str, python: Path, pictures: Path, device: str) -> None:
        self.name = name
        command = [str(python), "-m", "benchmarks.training", "--device", device, "--worker", name, str(pictures)]
        self._log = pictures.with_name(f"{name}.log")  # TensorFlow writes a lot; shown only if a peer fails
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def epoch(self, system: str, images: int) -> dict[str, Any]:
        """Have it train `system` for an epoch of `images` pictures."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(system, images, file=process.stdin, flush=True)
            answer: dict[str, Any] = json.loads(process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            process.kill()
            raise SystemExit(f"The process of {self.name} ended early. It said:\n{self._log.read_text()}") from None
        return answer


def compare(system: str, images: int, workers: list[Worker], rounds: int) -> None:
    """Time the peers in turn and print one row per peer."""
    facts = {worker.name: worker.epoch(system, images) for worker in workers}  # the warm-up
    rates: dict[str, list[float]] = {worker.name: [] for worker in workers}
    for _ in range(rounds):
        for worker in workers:
            rates[worker.name].append(worker.epoch(system, images)["images_per_second"])
    parameters = {name: fact["parameters"] for name, fact in facts.items()}
    if len(set(parameters.values())) > 1:
        raise SystemExit(f"The peers do not train the same {system}: parameters {parameters}.")
    print(f"\n{system}: {parameters['ours']:,} parameters in each, {images:,} pictures per epoch")
    for name, fact in facts.items():
        print(f"  {name:5}  {fact['note']}")
    print("  peer   images/s  ours / peer  paired: median (lowest–highest)")
    for name, measured in rates.items():
        paired = [mine / its for mine, its in zip(rates["ours"], measured, strict=True)]
        spread = f"{median(paired):.2f} ({min(paired):.2f}–{max(paired):.2f})"
        ratios = f"{median(rates['ours']) / median(measured):11.2f}  {spread}" if name != "ours" else ""
        print(f"  {name:5}  {median(measured):8,.0f}  {ratios}".rstrip())


# ---- scoring


def time_scoring() -> None:
    """Print how long the scores of 10,000 pictures take, whole and in parts."""
    import pandas as pd
    import torch

    from aecore.data.noise import Noise
    from aecore.data.splits import to_float
    from aecore.measuring import metrics, scoring
    from aecore.models.recipe import RunSpec
    from aecore.reconstructors.trained import Model

    torch.set_num_threads(THREADS)
    split, title = pictures_of("test", SCORED)
    system = zoo.find("shallow-strided")
    spec = RunSpec(system.architecture, system.recipe, system.dataset, "", name=system.name)
    model = Model(spec, system.architecture.module().state_dict())  # untrained
    with torch.inference_mode():
        clean = [to_float(pixels) for pixels in torch.split(split.pixels, scoring.BATCH)]
        outputs = [model(batch) for batch in clean]

        def metric(name: str) -> Callable[[], object]:
            return lambda: [metrics.METRICS[name].compute(*pair) for pair in zip(outputs, clean, strict=True)]

        parts: dict[str, Callable[[], object]] = {
            "score": lambda: pd.concat(scoring.score(model, split)),
            "score, noisy": lambda: pd.concat(scoring.score(model, split, Noise("gaussian", 0.3))),
            "  the model": lambda: [model(batch) for batch in clean],
            **{f"  {metrics.METRICS[name].title}": metric(name) for name in metrics.BASIC},
        }
        print(f"{SCORED:,} pictures of {title} through {model.name}, {THREADS} threads, median of 3:")
        for name, part in parts.items():
            print(f"  {name:14} {median(timed(part) for _ in range(3)):6.2f} s")


# ---- the runner


def pictures_of(part: str, count: int) -> tuple[Split, str]:
    """The first `count` pictures of a split of CIFAR-10, or of the embedded sample, repeated as needed."""
    import torch

    from aecore.data import catalog, datasets, splits

    dataset = datasets.load("cifar10" if catalog.available("cifar10") else "sample")
    split: Split = getattr(dataset, part)
    rows = torch.arange(count) % len(split)
    return splits.Split(split.pixels[rows], split.labels[rows]), dataset.title


def time_training(options: argparse.Namespace) -> None:
    """Start a process for each peer and compare them on each system."""
    pythons = {"ours": Path(sys.executable), "plain": Path(sys.executable), "keras": options.keras_python}
    if not options.keras_python.exists():
        del pythons["keras"]
        print(
            "Keras is left out: make its environment with `python -m venv .venv-keras && "
            ".venv-keras/bin/pip install -r benchmarks/requirements-keras.txt`, or name another with --keras-python."
        )
    on_cpu = options.device == "cpu"
    images = {system: options.images or (IMAGES[system] if on_cpu else GPU_IMAGES) for system in options.systems}
    split, title = pictures_of("train", max(images.values()))
    where = f"{THREADS} threads" if on_cpu else options.device
    print(f"Pictures of {title}, batch {BATCH}, {where}, median of {options.rounds} rounds.")
    with TemporaryDirectory() as folder, ExitStack() as stack:
        pictures = Path(folder) / "pictures.npy"
        np.save(pictures, split.pixels.numpy())
        workers = [
            stack.enter_context(Worker(name, python, pictures, options.device)) for name, python in pythons.items()
        ]
        for system, count in images.items():
            compare(system, count, workers, options.rounds)


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__.split("\n\n")[0])
    parser.add_argument("--images", type=int, help=f"pictures per epoch (default {IMAGES}; on a GPU {GPU_IMAGES})")
    parser.add_argument("--rounds", type=int, default=5, help="timed epochs of each peer (default %(default)s)")
    parser.add_argument("--systems", nargs="+", choices=IMAGES, default=list(IMAGES), help="(default: all)")
    parser.add_argument("--keras-python", type=Path, default=ROOT / ".venv-keras/bin/python", metavar="PATH")
    parser.add_argument("--device", default="cpu", help="cpu or cuda (default %(default)s)")
    parser.add_argument("--scoring", action="store_true", help="time the scores instead")
    parser.add_argument("--worker", nargs=2, metavar=("PEER", "PICTURES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.device == "cpu" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:THREADS])  # the workers inherit it
    if options.worker:
        work(options.worker[0], Path(options.worker[1]), options.device)
    elif options.scoring:
        time_scoring()
    else:
        time_training(options)


if __name__ == "__main__":
    main()
