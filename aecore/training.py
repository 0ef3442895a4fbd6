"""Training as a stream of events: iterate `train` and it yields what happened.

The training pictures stay on the device as uint8 and are drawn there; every random number comes from a generator
keyed by (seed, epoch), so a run repeats bit for bit on the same CPU with the same number of threads, and a run that
stopped after any epoch goes on exactly as if it had not.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from math import cos, isfinite, pi, prod
from time import perf_counter
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from aecore import AecoreError
from aecore.adam import Adam
from aecore.architecture import Architecture
from aecore.baselines import fit_pca
from aecore.datasets import Dataset, Split, to_float
from aecore.layers import Add, BatchNorm, shape_text
from aecore.noise import key
from aecore.recipe import Initialisation, Loss, Recipe, RunSpec

EVALUATION_BATCH = 100  # what fits the cache: 500 takes twice as long
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # glibc's malloc.h
STEPS_PER_REPORT = 10
WARM_UP = 0.05  # share of the steps over which a scheduled learning rate rises


class TrainingError(AecoreError):
    """Training could not go on; the text says where and why."""


class NotFiniteError(TrainingError):
    """The loss stopped being a number at `epoch` (from 1) and `step` (from 1) of that epoch."""

    def __init__(self, epoch: int, step: int) -> None:
        super().__init__(
            f"The loss stopped being finite in epoch {epoch} at step {step}; "
            + (
                f"the weights after epoch {epoch - 1} are kept. "
                if epoch > 1
                else "no epoch before it is there to keep. "
            )
            + "A smaller learning rate usually helps."
        )
        self.epoch, self.step = epoch, step


@dataclass(frozen=True)
class Epoch:
    """A row of the loss curve. Losses are the recipe's; `seconds` counts what it took to start, training and
    validation."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_mse: float
    images_per_second: float
    seconds: float


@dataclass(frozen=True)
class State:
    """Everything that training needs to go on after `epoch`: weights, Adam's moments and the curve so far."""

    epoch: int
    weights: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    history: tuple[Epoch, ...] = ()


@dataclass(frozen=True)
class Progress:
    """Somewhere inside an epoch: pictures seen in this epoch, the mean loss since the last report."""

    epoch: int
    images: int
    images_in_epoch: int
    loss: float
    images_per_second: float
    seconds_left: float


@dataclass(frozen=True)
class EpochEnded:
    """An epoch is over; `state` can be stored and given back to `train`."""

    row: Epoch
    state: State = field(repr=False)


Event = Progress | EpochEnded


def devices() -> list[str]:
    """The devices of this machine that torch can train on, the fastest first."""
    found = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def find_device(name: str | None = None) -> torch.device:
    """The device called `name` (`cpu`, `cuda`, `cuda:1`, `mps`), or the fastest; `TrainingError` if absent."""
    here = devices()
    if name is None:
        return torch.device(here[0])
    if name not in here and not (name == "cuda" and here[0].startswith("cuda")):
        raise TrainingError(f"There is no device {name!r} on this machine; here: {', '.join(here)}.")
    return torch.device(name)


def memory_budget(device: torch.device) -> int:
    """Bytes that training may take on `device`: half of what is built in, the rest being for data and batches."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory // 2
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2


def autocasts(recipe: Recipe, device: torch.device) -> bool:
    """Whether the model computes in bfloat16: on CUDA, except for cross-entropy, where a sigmoid rounded to 1 has no
    gradient left."""
    return device.type == "cuda" and recipe.loss != "bce"


def environment(recipe: Recipe, device: torch.device) -> dict[str, str | int]:
    """What a result may depend on besides its spec: recorded beside the run, not hashed."""
    accelerator = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": str(device),
        "accelerator": accelerator,
        "dtype": "bfloat16 autocast" if autocasts(recipe, device) else "float32",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count() or 1,
    }


def initialise(model: nn.Module, initialisation: Initialisation, generator: Generator) -> None:
    """Draw the weights from `generator`.

    `keras` and `pca`: Glorot uniform (Glorot & Bengio 2010), zero biases. `torch`: uniform in ±1/√fan_in, biases too,
    as `nn.Conv2d` and `nn.Linear` do by themselves.
    """
    for module in model.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        if initialisation != "torch":
            nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        else:
            nn.init.kaiming_uniform_(module.weight, a=5**0.5, generator=generator)
            bound = module.weight[0].numel() ** -0.5
            if module.bias is not None:
                nn.init.uniform_(module.bias, -bound, bound, generator=generator)


def _start_as_pca(architecture: Architecture, model: nn.Sequential, pixels: Tensor) -> None:
    """Make a pair of linear dense layers around the code the projection on the principal components, and every linear
    layer that an `add` follows zero, so that the blocks around the pair start as the identity (Goyal et al. 2017,
    "Accurate, large minibatch SGD", section 5.1)."""
    for step, following in pairwise(architecture.steps):
        if isinstance(following.layer, Add) and getattr(step.layer, "activation", "") == "linear":
            for parameter in model[step.position - 1].parameters():
                nn.init.zeros_(parameter)
    pca = fit_pca(pixels)
    for first, second in architecture.linear_pairs:
        encoder, decoder = (dict(model[step.position - 1].named_parameters()) for step in (first, second))
        axes = pca.axes[: first.output_shape[0]]
        with torch.no_grad():
            encoder["weight"].copy_(axes)
            encoder["bias"].copy_(-axes @ pca.mean)
            decoder["weight"].copy_(axes.T)
            decoder["bias"].copy_(pca.mean)


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next step, for the rest of the process.

    glibc often returns a large block to the kernel at each free and faults it in again, page by page, at the next
    step: up to a quarter of the time of a convolutional run on CPU.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else object()
    if isinstance(libc, ctypes.CDLL) and hasattr(libc, "mallopt"):
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def memory_format(architecture: Architecture) -> torch.memory_format:
    """The layout that is fastest for this architecture: channels last wherever there is a convolution."""
    convolves = any(step.macs and len(step.input_shape) == 3 for step in architecture.steps)
    return torch.channels_last if convolves else torch.contiguous_format


def build(
    architecture: Architecture, recipe: Recipe, seed: int, device: torch.device, pixels: Tensor | None = None
) -> nn.Sequential:
    """The untrained model: its weights are drawn on the CPU, so that every device starts from the same ones.

    With the initialisation `pca` and uint8 training `pixels` `[N, C, H, W]` it starts as their PCA.
    """
    model = architecture.module()
    initialise(model, recipe.initialisation, Generator().manual_seed(key(seed, "weights")))
    if recipe.initialisation == "pca" and pixels is not None:
        _start_as_pca(architecture, model, pixels)
    return model.to(device=device, memory_format=memory_format(architecture))  # type: ignore[call-overload,no-any-return]


class Pictures:
    """A split on a device, laid out so that a batch is gathered in the memory format that the model wants."""

    def __init__(self, pixels: Tensor, device: torch.device, layout: torch.memory_format) -> None:
        self._channels_last = layout == torch.channels_last
        stored = pixels.permute(0, 2, 3, 1) if self._channels_last else pixels
        self._stored = stored.contiguous().to(device)

    def __len__(self) -> int:
        return len(self._stored)

    def batch(self, rows: Tensor | slice) -> Tensor:
        """Float pictures `[N, C, H, W]` in `[0, 1]`."""
        chosen = self._stored[rows]
        return to_float(chosen.permute(0, 3, 1, 2) if self._channels_last else chosen)


def loss_of(kind: Loss, output: Tensor, target: Tensor) -> Tensor:
    """The mean loss over every value of the batch, in float32."""
    output = output.float()
    if kind == "bce":
        return F.binary_cross_entropy(output, target)
    return F.mse_loss(output, target) if kind == "mse" else F.l1_loss(output, target)


def train(
    spec: RunSpec, dataset: Dataset, device: torch.device | None = None, state: State | None = None
) -> Iterator[Event]:
    """Train `spec` on `dataset`, yielding `Progress` within epochs and `EpochEnded` after each.

    Goes on from `state` where one is given. Raises `TrainingError` where the data does not fit the architecture,
    where memory runs out, or (`NotFiniteError`) where the loss stops being a number.
    """
    device = device or torch.device("cpu")
    recipe, architecture = spec.recipe, spec.architecture
    if dataset.shape != architecture.input_shape:
        raise TrainingError(
            f"{spec.name} takes pictures of {shape_text(architecture.input_shape)}; those of {dataset.title} are "
            f"{shape_text(dataset.shape)}."
        )
    if device.type == "cpu":
        keep_freed_memory()
    if not architecture.parameters:
        raise TrainingError(f"{architecture} has nothing to train: add a conv, deconv, dense or bn layer.")
    architecture.check_memory(memory_budget(device))
    _check_batch_norm(spec, len(dataset.train))
    started = perf_counter()
    try:
        learning = dataset.train.pixels[: recipe.images]
        # What goes on has its weights from the state.
        model = build(architecture, recipe, spec.seed, device, None if state else learning)
        optimiser = Adam(model.parameters(), recipe.learning_rate)
        if state is not None:
            model.load_state_dict(state.weights)
            optimiser.restore(state.optimiser)
        pictures = Pictures(learning, device, memory_format(architecture))
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        raise TrainingError(f"{device} has no memory left for the model and the pictures: free some of it.") from None
    try:
        spent = perf_counter() - started  # to start as PCA is part of the cost
        yield from _epochs(spec, model, optimiser, pictures, dataset.validation, state or State(0, {}, {}), spent)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        # The failed step's tensors live as long as the traceback's frames; they must go before anything is tried.
        error.__traceback__ = None
        model.zero_grad(set_to_none=True)
        smallest = 2 if any(isinstance(layer, BatchNorm) for layer in architecture.layers) else 1
        fitting = largest_fitting(
            recipe.batch_size, lambda size: _try_step(model, optimiser, recipe, pictures, size), smallest
        )
        raise TrainingError(
            f"{device} ran out of memory with a batch of {recipe.batch_size}; "
            + (
                f"a batch of {fitting} fits."
                if fitting
                else f"not even one of {smallest} fits: choose a smaller model."
            )
        ) from None


def _check_batch_norm(spec: RunSpec, pictures: int) -> None:
    """Raise `TrainingError` where batch norm would have to normalise a single value."""
    if spec.recipe.batch_size > 1 and min(spec.recipe.images or pictures, pictures) > 1:
        return
    for step in spec.architecture.steps:
        if isinstance(step.layer, BatchNorm) and prod(step.output_shape[1:]) == 1:
            raise TrainingError(f"{step} cannot normalise one picture at a time: train on batches of at least 2.")


def _epochs(
    spec: RunSpec,
    model: nn.Module,
    optimiser: Adam,
    pictures: Pictures,
    held_out: Split,
    state: State,
    spent: float,
) -> Iterator[Event]:
    recipe, device = spec.recipe, next(model.parameters()).device
    validation = Pictures(held_out.pixels, device, memory_format(spec.architecture))
    history = list(state.history)
    before = history[-1].seconds if history else spent
    for epoch in range(state.epoch + 1, recipe.epochs + 1):
        started = perf_counter()
        # The mean over the epoch's pictures as they were seen, as Keras tells it, not of the model at its end.
        seen, total_loss = 0, 0.0
        for progress in _steps(spec, model, optimiser, pictures, epoch):
            total_loss += progress.loss * (progress.images - seen)
            seen = progress.images
            yield progress
        trained = perf_counter()
        validation_loss, validation_mse = _validate(spec, model, validation)
        if not isfinite(validation_loss):
            raise NotFiniteError(epoch, len(batch_starts(len(pictures), recipe.batch_size)))
        row = Epoch(
            epoch,
            total_loss / len(pictures),
            validation_loss,
            validation_mse,
            len(pictures) / (trained - started),
            before + perf_counter() - started,
        )
        before = row.seconds
        history.append(row)
        yield EpochEnded(row, _capture(epoch, model, optimiser, tuple(history)))


def _steps(spec: RunSpec, model: nn.Module, optimiser: Adam, pictures: Pictures, epoch: int) -> Iterator[Progress]:
    """One epoch of steps; losses are read from the device only now and then, since reading waits for it."""
    recipe, device = spec.recipe, next(model.parameters()).device
    generator = Generator(device).manual_seed(key(spec.seed, epoch))
    for module in model.modules():
        if hasattr(module, "generator"):
            module.generator = generator  # type: ignore[assignment]
    count, size = len(pictures), recipe.batch_size
    order = torch.randperm(count, generator=Generator().manual_seed(key(spec.seed, epoch, "order"))).to(device)
    bounds = list(pairwise([*batch_starts(count, size), count]))
    losses = torch.zeros(len(bounds), device=device)
    started, reported = perf_counter(), 0
    model.train()
    for step, (first, last) in enumerate(bounds, start=1):
        done = (epoch - 1) * len(bounds) + step
        optimiser.learning_rate = learning_rate(recipe, done, recipe.epochs * len(bounds))
        losses[step - 1] = _step(model, optimiser, recipe, pictures.batch(order[first:last]), generator)
        if step % STEPS_PER_REPORT and step != len(bounds):
            continue
        recent = losses[reported:step].cpu()
        if not recent.isfinite().all():
            raise NotFiniteError(epoch, reported + int((~recent.isfinite()).nonzero()[0]) + 1)
        weights = torch.tensor([float(to - since) for since, to in bounds[reported:step]])
        loss = float((recent * weights).sum() / weights.sum())
        rate = last / (perf_counter() - started)
        left = ((recipe.epochs - epoch + 1) * count - last) / rate
        yield Progress(epoch, last, count, loss, rate, left)
        reported = step


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Adam's learning rate at a `step` from 1 to `steps`.

    `cosine`: it rises in a line over the first twentieth of the steps and falls to nothing along half a cosine
    (Loshchilov & Hutter 2017, "SGDR", without restarts).
    """
    if recipe.schedule is None:
        return recipe.learning_rate
    rising = max(1, round(WARM_UP * steps))
    share = step / rising if step <= rising else (1 + cos(pi * (step - rising) / (steps - rising + 1))) / 2
    return recipe.learning_rate * share


def batch_starts(count: int, size: int) -> list[int]:
    """Where the batches of an epoch begin; a lone last picture joins the batch before it, as batch norm needs two."""
    starts = list(range(0, count, size))
    return starts[:-1] if size > 1 and len(starts) > 1 and starts[-1] == count - 1 else starts


def _step(model: nn.Module, optimiser: Adam, recipe: Recipe, clean: Tensor, generator: Generator) -> Tensor:
    noisy = recipe.noise.add(clean, generator) if recipe.noise else clean
    with torch.autocast(clean.device.type, torch.bfloat16, enabled=autocasts(recipe, clean.device)):
        output = model(noisy)
    loss = loss_of(recipe.loss, output, clean)
    model.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    return loss.detach()


def _validate(spec: RunSpec, model: nn.Module, pictures: Pictures) -> tuple[float, float]:
    """The recipe's loss and the MSE (outputs clamped to `[0, 1]`) on the held-out pictures, with the same noise
    draw at every epoch so that the curve moves only where the model does."""
    device = next(model.parameters()).device
    generator = Generator(device).manual_seed(key(spec.seed, "validation"))
    model.eval()
    loss = mse = torch.zeros((), device=device)
    with torch.inference_mode():
        for first in range(0, len(pictures), EVALUATION_BATCH):
            clean = pictures.batch(slice(first, first + EVALUATION_BATCH))
            output = model(spec.recipe.noise.add(clean, generator) if spec.recipe.noise else clean)
            loss = loss + loss_of(spec.recipe.loss, output, clean) * len(clean)
            mse = mse + F.mse_loss(output.clamp(0, 1), clean) * len(clean)
    return float(loss) / len(pictures), float(mse) / len(pictures)


def _capture(epoch: int, model: nn.Module, optimiser: Adam, history: tuple[Epoch, ...]) -> State:
    """A copy on the CPU: the next step changes the model's own tensors in place."""
    weights = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    return State(epoch, weights, optimiser.state(), history)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA has an error of its own for it; on CPU only the text tells."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def largest_fitting(size: int, step: Callable[[int], Any], smallest: int = 1) -> int:
    """The largest batch below `size`, found by halving, whose `step` does not run out of memory; 0 if none."""
    while (size := size // 2) >= smallest:
        try:
            step(size)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()
        else:
            return size
    return 0


def _try_step(model: nn.Module, optimiser: Adam, recipe: Recipe, pictures: Pictures, size: int) -> None:
    clean = pictures.batch(slice(0, size))
    _step(model, optimiser, recipe, clean, Generator(clean.device))
