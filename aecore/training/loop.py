"""Training as a stream of events: `train` is a generator that yields them.

The training pictures stay on the device as uint8, and batches are gathered there. Every random number comes from a
generator keyed by (seed, epoch): on the same CPU with the same number of threads a run repeats bit for bit, and a run
that was interrupted after any epoch resumes exactly as if it had not stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from math import cos, isfinite, pi, prod
from time import perf_counter
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from aecore.data.noise import key
from aecore.data.splits import Dataset, Split, to_float
from aecore.models.bases import Stochastic
from aecore.models.layers import shape_text
from aecore.models.modules import memory_format, penalties
from aecore.models.recipe import Recipe, RunSpec
from aecore.training.adam import Adam
from aecore.training.augmentation import mirrored
from aecore.training.averaging import Average
from aecore.training.devices import autocasts, memory_budget
from aecore.training.events import Epoch, EpochEnded, Event, NotFiniteError, Progress, State, TrainingError
from aecore.training.initialisation import build
from aecore.training.losses import loss_of, objective
from aecore.training.replay import Replayed, Step

EVALUATION_BATCH = 100  # fits into the processor's cache: 500 takes twice as long
STEPS_PER_REPORT = 10
# A GPU takes a small step in a fraction of a millisecond, and must not wait for the processor in between. Evaluation
# keeps no gradients: ten batches of training at once take about the memory of one.
GPU_EVALUATION_BATCHES, GPU_EVALUATION_BATCH, GPU_STEPS_PER_REPORT = 10, 1000, 100
AVERAGE_BYTES_PER_PARAMETER = 8
WARM_UP = 0.05  # share of the steps over which a scheduled learning rate rises


class Pictures:
    """A split on a device, stored so that gathered batches have the memory layout of the model."""

    def __init__(self, pixels: Tensor, device: torch.device, layout: torch.memory_format) -> None:
        self._channels_last = layout == torch.channels_last
        stored = pixels.permute(0, 2, 3, 1) if self._channels_last else pixels
        self._stored = stored.contiguous().to(device)

    def __len__(self) -> int:
        return len(self._stored)

    def batch(self, rows: Tensor | slice) -> Tensor:
        """Float pictures `[N, C, H, W]` in `[0, 1]`."""
        gathered = self._stored[rows]
        return to_float(gathered.permute(0, 3, 1, 2) if self._channels_last else gathered)


@dataclass(frozen=True)
class Learner:
    """A model in training: its spec, its optimiser, the pictures that it learns from, the source of its random numbers,
    and the average of its weights where the recipe asks for it."""

    spec: RunSpec
    model: nn.Module
    optimiser: Adam
    pictures: Pictures
    generator: Generator
    average: Average | None = None

    @property
    def result(self) -> nn.Module:
        """The model as it would be if training ended now: the average, if the recipe asks for it."""
        return self.average.model if self.average else self.model

    @property
    def device(self) -> torch.device:
        """The device that it trains on."""
        return self.generator.device

    @property
    def is_on_gpu(self) -> bool:
        """Whether it trains on CUDA."""
        return self.device.type == "cuda"

    def step(self, rows: Tensor) -> Tensor:
        """One step on the pictures `rows` `[N]`; returns its loss and then its penalties, `[1 + penalties]`."""
        model, recipe, clean = self.model, self.spec.recipe, self.pictures.batch(rows)
        clean = mirrored(clean, self.generator) if recipe.flips else clean
        given = recipe.noise.add(clean, self.generator) if recipe.noise else clean
        with torch.autocast(clean.device.type, torch.bfloat16, enabled=autocasts(self.spec, clean.device)):
            output = model(given)
        loss, terms = loss_of(recipe, output, clean, given), penalties(model)
        model.zero_grad(set_to_none=True)
        objective(recipe, loss, terms).backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        if self.average:
            self.average.update()
        return torch.stack([loss, *(terms[name] for name in self.spec.architecture.penalties)]).detach()


def train(
    spec: RunSpec, dataset: Dataset, device: torch.device | None = None, state: State | None = None
) -> Iterator[Event]:
    """Train `spec` on `dataset`, yielding `Progress` within epochs and `EpochEnded` after each.

    Resumes from `state` if one is given. Raises `TrainingError` if the data does not fit the architecture or memory
    runs out, and `NotFiniteError` if the loss becomes infinite or NaN.
    """
    device = device or torch.device("cpu")
    recipe, architecture = spec.recipe, spec.architecture
    if dataset.shape != architecture.input_shape:
        raise TrainingError(
            f"{spec.name} takes pictures of {shape_text(architecture.input_shape)}; those of {dataset.title} are "
            f"{shape_text(dataset.shape)}."
        )
    if not architecture.parameters:
        raise TrainingError(f"{architecture} has nothing to train: add a conv, deconv, dense, bn or gn layer.")
    # An average is another set of weights, and its update takes a third for a moment.
    averaged = AVERAGE_BYTES_PER_PARAMETER * architecture.parameters if recipe.average else 0
    architecture.check_memory(memory_budget(device) - averaged)
    _check_batch_norm(spec, len(dataset.train))
    started = perf_counter()
    try:
        chosen, held_out = dataset.redrawn(spec.seed) if recipe.redraw else (dataset.train, dataset.validation)
        pixels = chosen.pixels[: recipe.images]
        # A resumed run takes its weights from the state and needs no PCA.
        model = build(architecture, recipe, spec.seed, device, None if state else pixels)
        optimiser = Adam(model.parameters(), recipe.learning_rate)
        if state is not None:
            model.load_state_dict(state.unaveraged or state.weights)
            optimiser.restore(state.optimiser)
        pictures = Pictures(pixels, device, memory_format(architecture.convolves))
        steps = len(batch_starts(len(pictures), recipe.batch_size)) * (state.epoch if state else 0)
        average = Average.of(model, recipe.average, steps, state.weights if state else None)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        raise TrainingError(f"{device} has no memory left for the model and the pictures: free some of it.") from None
    learner = Learner(spec, model, optimiser, pictures, _generator(model, device), average)
    try:
        spent = perf_counter() - started  # the time of a PCA counts
        yield from _epochs(learner, held_out, state or State(0, {}, {}), spent)
    except RuntimeError as error:
        if not _is_out_of_memory(error):
            raise
        # The traceback's frames hold the tensors of the failed step: free them before trying smaller batches.
        error.__traceback__ = None
        raise TrainingError(_advice(learner)) from None


def _generator(model: nn.Module, device: torch.device) -> Generator:
    """A new generator, from which the modules of the model draw too."""
    generator = Generator(device)
    for module in model.modules():
        if isinstance(module, Stochastic):
            module.generator = generator
    return generator


def _advice(learner: Learner) -> str:
    """What to say of a step that ran out of memory: which batch would fit."""
    size, device = learner.spec.recipe.batch_size, learner.device
    learner.model.zero_grad(set_to_none=True)
    # A recording that failed leaves its generator unusable.
    learner = replace(learner, generator=_generator(learner.model, device))
    smallest = 2 if learner.spec.architecture.normalises_batch else 1
    rows = torch.arange(len(learner.pictures), device=device)
    fitting = largest_fitting(min(size, len(rows)), lambda fewer: learner.step(rows[:fewer]), smallest)
    advice = f"a batch of {fitting} fits" if fitting else f"not even a batch of {smallest} fits: choose a smaller model"
    return f"{device} ran out of memory with a batch of {size}; {advice}."


def _check_batch_norm(spec: RunSpec, pictures: int) -> None:
    """Raise `TrainingError` if batch norm would have to normalise a single value."""
    if spec.recipe.batch_size > 1 and min(spec.recipe.images or pictures, pictures) > 1:
        return
    for step in spec.architecture.steps:
        if step.layer.normalises_batch and prod(step.output_shape[1:]) == 1:
            raise TrainingError(f"{step} cannot normalise one picture at a time: train on batches of at least 2.")


def _epochs(learner: Learner, held_out: Split, state: State, spent: float) -> Iterator[Event]:
    """The events of all epochs after `state`; `spent` seconds have passed before the first."""
    spec, recipe, pictures = learner.spec, learner.spec.recipe, learner.pictures
    validation = Pictures(held_out.pixels, learner.device, memory_format(spec.architecture.convolves))
    history = list(state.history)
    before = history[-1].seconds if history else spent
    size = min(recipe.batch_size, len(pictures))
    step = Replayed(learner.step, learner.generator, size) if learner.is_on_gpu else learner.step
    for epoch in range(state.epoch + 1, recipe.epochs + 1):
        started = perf_counter()
        # The training loss is averaged during the epoch, as in Keras, and not measured at its end.
        seen, total_loss, total_terms = 0, 0.0, dict.fromkeys(spec.architecture.penalties, 0.0)
        for progress in _steps(learner, step, epoch):
            total_loss += progress.loss * (progress.images - seen)
            for name, mean in progress.terms.items():
                total_terms[name] += mean * (progress.images - seen)
            seen = progress.images
            yield progress
        trained = perf_counter()
        validation_loss, validation_mse = _validate(learner, validation)
        if not isfinite(validation_loss):
            raise NotFiniteError(epoch, len(batch_starts(len(pictures), recipe.batch_size)))
        row = Epoch(
            epoch,
            total_loss / len(pictures),
            validation_loss,
            validation_mse,
            len(pictures) / (trained - started),
            before + perf_counter() - started,
            {name: total / len(pictures) for name, total in total_terms.items()},
        )
        before = row.seconds
        history.append(row)
        yield EpochEnded(row, _capture(learner, tuple(history)))


def _steps(learner: Learner, take: Step, epoch: int) -> Iterator[Progress]:
    """The steps of one epoch, by `take`. Losses are read from the device every few steps: reading waits for it."""
    spec, recipe, device = learner.spec, learner.spec.recipe, learner.device
    # The one key without a word for its purpose: with another one, published recipes would train to other weights.
    learner.generator.manual_seed(key(spec.seed, epoch))
    count, size = len(learner.pictures), recipe.batch_size
    order = torch.randperm(count, generator=Generator().manual_seed(key(spec.seed, epoch, "order"))).to(device)
    bounds = list(pairwise([*batch_starts(count, size), count]))
    names = spec.architecture.penalties
    losses = torch.zeros(len(bounds), 1 + len(names), device=device)  # columns: the loss, then the penalties
    started, reported = perf_counter(), 0
    learner.model.train()
    for step, (first, last) in enumerate(bounds, start=1):
        done = (epoch - 1) * len(bounds) + step
        learner.optimiser.learning_rate = learning_rate(recipe, done, recipe.epochs * len(bounds))
        losses[step - 1] = take(order[first:last])
        if step % (GPU_STEPS_PER_REPORT if learner.is_on_gpu else STEPS_PER_REPORT) and step != len(bounds):
            continue
        recent = losses[reported:step].cpu()
        if not recent.isfinite().all():
            raise NotFiniteError(epoch, reported + int((~recent.isfinite()).nonzero()[0, 0]) + 1)
        weights = torch.tensor([float(end - start) for start, end in bounds[reported:step]])
        loss, *means = (float((column * weights).sum() / weights.sum()) for column in recent.T)
        rate = last / (perf_counter() - started)
        left = ((recipe.epochs - epoch + 1) * count - last) / rate
        yield Progress(epoch, last, count, loss, rate, left, dict(zip(names, means, strict=True)))
        reported = step


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Adam's learning rate at a `step` from 1 to `steps`.

    With `cosine` it rises linearly over the first twentieth of the steps, then falls to almost zero along half a cosine
    (Loshchilov & Hutter 2017, "SGDR", without restarts).
    """
    if recipe.schedule is None:
        return recipe.learning_rate
    rising = max(1, round(WARM_UP * steps))
    share = step / rising if step <= rising else (1 + cos(pi * (step - rising) / (steps - rising + 1))) / 2
    return recipe.learning_rate * share


def batch_starts(count: int, size: int) -> list[int]:
    """The first index of each batch. A single last picture joins the batch before it, since batch norm needs two."""
    starts = list(range(0, count, size))
    return starts[:-1] if size > 1 and len(starts) > 1 and starts[-1] == count - 1 else starts


def _validate(learner: Learner, pictures: Pictures) -> tuple[float, float]:
    """The recipe's loss and the MSE (outputs clamped to `[0, 1]`) on the validation pictures.

    Every epoch has the same noise, so that the curve changes only with the model.
    """
    spec, model, device = learner.spec, learner.result, learner.device
    generator = Generator(device).manual_seed(key(spec.seed, "validation"))
    model.eval()
    loss = mse = torch.zeros((), device=device)
    most = min(GPU_EVALUATION_BATCHES * spec.recipe.batch_size, GPU_EVALUATION_BATCH)
    size = most if learner.is_on_gpu else EVALUATION_BATCH
    with torch.inference_mode():
        for first in range(0, len(pictures), size):
            clean = pictures.batch(slice(first, first + size))
            given = spec.recipe.noise.add(clean, generator) if spec.recipe.noise else clean
            output = model(given)
            loss = loss + loss_of(spec.recipe, output, clean, given) * len(clean)
            mse = mse + F.mse_loss(output.clamp(0, 1), clean) * len(clean)
    return float(loss) / len(pictures), float(mse) / len(pictures)


def _capture(learner: Learner, history: tuple[Epoch, ...]) -> State:
    """The state after the last epoch of `history`, copied to the CPU: the next step changes the tensors in place."""
    unaveraged = _copied(learner.model) if learner.average else {}
    return State(history[-1].epoch, _copied(learner.result), learner.optimiser.state(), history, unaveraged)


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }


def _is_out_of_memory(error: RuntimeError) -> bool:
    """CUDA raises a dedicated error; on CPU only the message shows it."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def largest_fitting(size: int, step: Callable[[int], Any], smallest: int = 1) -> int:
    """Halve `size` until `step` does not run out of memory; 0 if no size down to `smallest` fits."""
    while size > smallest:
        size = max(size // 2, smallest)
        try:
            step(size)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            torch.cuda.empty_cache()
        else:
            return size
    return 0
