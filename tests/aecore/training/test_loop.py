"""Training: the same spec gives the same bits, stopped or not, and what is learned is what plain PyTorch learns."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from aecore.data import datasets
from aecore.data.noise import Noise, key
from aecore.data.splits import Dataset, Split
from aecore.models import zoo
from aecore.models.diagnosis import diagnose
from aecore.models.recipe import Recipe, RunSpec
from aecore.models.rules import Limits
from aecore.runs.store import Store
from aecore.training import initialisation, loop
from aecore.training.events import EpochEnded, NotFiniteError, Progress, State, TrainingError
from aecore.training.loop import train
from tests.aecore.models.drawn import autoencoders
from tests.aecore.models.lines import WORDS, lines
from tests.aecore.rounding import of_sum
from tests.aecore.training.little import CPU, PCA_BLOCKS, PLAIN, bits, dataset, ended, spec_of, split, trained

MEAN_IMAGE_MSE = 0.0618  # of predicting CIFAR-10's mean image, as docs and DESIGN give it
BATCH_NORM = "3x8x8 | conv4 | bn | conv4:s2 | bn | up | conv3:k1:sigmoid"
DROPOUT = "3x8x8 | conv4 | dropout0.3 | conv3:k1:sigmoid"
SPARSE = "3x8x8 | conv4:s2 | sparsity | dropout0.3 | up | conv3:k1:sigmoid"
DENSE = "3x8x8 | flatten | dense16 | dense192:sigmoid | reshape3x8x8"
TRANSPOSED = "3x8x8 | conv4:s2 | deconv4 | conv3:k1:sigmoid"
EVERYTHING = "3x8x8 | conv4 | bn | dropout0.3 | conv4:s2 | bn | up | conv3:k1:sigmoid"
NOISE = Noise("gaussian", 0.3)
pytestmark = pytest.mark.usefixtures("one_thread")


KINDS = {
    "plain": spec_of(PLAIN),
    "batch norm": spec_of(BATCH_NORM),
    "dropout": spec_of(DROPOUT),
    "dense": spec_of(DENSE),
    "transposed": spec_of(TRANSPOSED),
    "noise": spec_of(PLAIN, noise=NOISE),
    "penalty": spec_of(SPARSE, penalties={"sparsity": 0.5}),
    "everything": spec_of(EVERYTHING, noise=NOISE, loss="bce", initialisation="torch", images=37),
    "redrawn": spec_of(redraw=True),
}


@pytest.mark.parametrize("spec", KINDS.values(), ids=KINDS)
def test_a_run_stopped_after_any_epoch_and_kept_in_the_store_goes_on_bit_for_bit(spec: RunSpec, tmp_path: Path) -> None:
    store = Store(tmp_path)
    states = [event.state for event in ended(train(spec, dataset(), CPU))]
    assert len(states) == 3
    assert bits(trained(spec)) == bits(states[-1]), "repeating it gives the same bits"
    for state in states[:-1]:
        store.write_state(spec, state)
        stored = store.read_state(spec)
        assert stored is not None
        assert bits(stored) == bits(state)
        assert stored.history == state.history
        assert bits(trained(spec, state=stored)) == bits(states[-1])


def test_a_run_stopped_inside_an_epoch_goes_on_from_the_epoch_before_bit_for_bit() -> None:
    spec, last = KINDS["everything"], None
    events = train(spec, dataset(), CPU)
    for event in events:
        if isinstance(event, EpochEnded):
            last = event.state
        elif event.epoch == 2:
            break
    events.close()  # type: ignore[attr-defined]
    assert last is not None
    assert last.epoch == 1
    assert bits(trained(spec, state=last)) == bits(trained(spec))


def test_a_state_does_not_change_while_training_goes_on() -> None:
    events = train(KINDS["everything"], dataset(), CPU)
    first = next(event.state for event in events if isinstance(event, EpochEnded))
    before = bits(first)
    list(events)
    assert bits(first) == before


def test_another_seed_gives_other_weights_and_another_loss_curve() -> None:
    one, other = trained(spec_of(seed=0)), trained(spec_of(seed=1))
    assert all(not torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
    assert one.history[0].train_loss != other.history[0].train_loss


def test_the_global_random_stream_and_its_other_users_change_nothing() -> None:
    spec = KINDS["everything"]
    undisturbed = trained(spec)
    torch.manual_seed(1)
    state = None
    for number, event in enumerate(train(spec, dataset(), CPU)):
        torch.manual_seed(number)
        torch.rand(number + 1)
        if isinstance(event, EpochEnded):
            state = event.state
    assert state is not None
    assert bits(state) == bits(undisturbed)


def test_validation_leaves_model_and_random_stream_alone() -> None:
    """Other validation pictures, and more of them, change the validation curve and not a bit of the weights."""
    spec = KINDS["everything"]
    one, other = trained(spec), trained(spec, dataset(validation=split(700, 9)))
    assert [row.validation_loss for row in one.history] != [row.validation_loss for row in other.history]
    assert [row.train_loss for row in one.history] == [row.train_loss for row in other.history]
    for name, values in one.weights.items():
        assert torch.equal(values, other.weights[name]), name


def test_a_redrawn_run_learns_from_the_pictures_that_its_seed_draws() -> None:
    pictures = dataset()
    for seed in (0, 1):
        chosen, held_out = pictures.redrawn(seed)
        redrawn = trained(spec_of(seed=seed, redraw=True), pictures)
        assert bits(redrawn) == bits(trained(spec_of(seed=seed), dataset(chosen, held_out)))
        assert bits(redrawn) != bits(trained(spec_of(seed=seed), pictures))


def test_only_the_first_images_of_the_recipe_are_trained_on() -> None:
    spec, pictures = spec_of(images=20), split(45, 1)
    changed = pictures.pixels.clone()
    changed[20:] = 0
    other = dataset(train=Split(changed, pictures.labels))
    assert bits(trained(spec, other)) == bits(trained(spec))
    changed[19] = 0
    assert bits(trained(spec, other)) != bits(trained(spec))


def _mse(output: Tensor, target: Tensor) -> Tensor:
    return ((output - target) ** 2).mean()


def _mae(output: Tensor, target: Tensor) -> Tensor:
    return (output - target).abs().mean()


def _bce(output: Tensor, target: Tensor) -> Tensor:
    return -(target * output.log() + (1 - target) * (1 - output).log()).mean()


def half_size() -> list[nn.Module]:
    """A convolution of stride 2, padded at the bottom and right only, as Keras does."""
    return [nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(4, 4, 3, stride=2), nn.ReLU()]


def back() -> list[nn.Module]:
    return [nn.Upsample(scale_factor=2), nn.Conv2d(4, 3, 1), nn.Sigmoid()]


def plain_convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *half_size(), *back())


def plain_batch_norm() -> nn.Module:
    first, second = (nn.BatchNorm2d(4, eps=1e-3, momentum=0.01) for _ in range(2))
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), first, *half_size(), second, *back())


def plain_dense() -> nn.Module:
    encoder, decoder = nn.Linear(192, 16), nn.Linear(16, 192)
    return nn.Sequential(nn.Flatten(), encoder, nn.ReLU(), decoder, nn.Sigmoid(), nn.Unflatten(1, (3, 8, 8)))


PLAIN_MODELS: dict[str, tuple[str, Callable[[], nn.Module]]] = {
    "convolutions": (PLAIN, plain_convolutions),
    "batch norm": (BATCH_NORM, plain_batch_norm),
    "dense": (DENSE, plain_dense),
}


@pytest.mark.parametrize("loss", [_mse, _bce, _mae], ids=["mse", "bce", "mae"])
@pytest.mark.parametrize("kind", PLAIN_MODELS)
def test_the_loss_curve_is_that_of_a_plain_pytorch_loop(kind: str, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    layers, plain = PLAIN_MODELS[kind]
    spec, data = spec_of(layers, loss=loss.__name__[1:], learning_rate=3e-3), dataset()
    state = trained(spec, data)

    # In float64, so that only one of them rounds.
    model = plain().double()
    start = initialisation.build(spec.architecture, spec.recipe, spec.seed, CPU).state_dict()
    model.load_state_dict(
        dict(zip(model.state_dict(), (tensor.contiguous() for tensor in start.values()), strict=True))
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3, eps=1e-7, foreach=False, fused=False)
    pictures, held_out = data.train.pixels.double() / 255, data.validation.pixels.double() / 255
    bound = of_sum(10 * 192)  # of the mean over the values of a batch
    for epoch in (1, 2, 3):
        order = torch.randperm(45, generator=torch.Generator().manual_seed(key(spec.seed, epoch, "order")))
        total = 0.0
        model.train()
        for rows in order.split(10):
            optimiser.zero_grad()
            value = loss(model(pictures[rows]), pictures[rows])
            value.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            total += float(value.detach()) * len(rows)
        model.eval()
        with torch.no_grad():
            output = model(held_out)
        row = state.history[epoch - 1]
        assert row.epoch == epoch
        assert row.train_loss == pytest.approx(total / 45, rel=bound)
        assert row.validation_loss == pytest.approx(float(loss(output, held_out)), rel=bound)
        assert row.validation_mse == pytest.approx(float(_mse(output, held_out)), rel=bound)
    for ours, theirs in zip(state.weights.values(), model.state_dict().values(), strict=True):
        # Adam divides a gradient by its size, so rounding tells where gradients are small; 15 steps of 3e-3 move a
        # weight by 450 times this at most.
        torch.testing.assert_close(ours.double(), theirs.double(), rtol=1e-3, atol=1e-4)


def test_a_cosine_schedule_rises_for_a_twentieth_and_falls_to_nothing() -> None:
    constant, cosine = Recipe(learning_rate=0.02), Recipe(learning_rate=0.02, schedule="cosine")
    rates = [loop.learning_rate(cosine, step, 1000) for step in range(1, 1001)]
    assert rates[:50] == pytest.approx([0.02 * step / 50 for step in range(1, 51)])
    # Its mean over the fall is half of its height, and the middle lies there too.
    assert sum(rates[50:]) / 950 == pytest.approx(0.01, rel=0.01)
    assert rates[50 + 475] == pytest.approx(0.01, rel=0.01)
    assert all(after < before for before, after in pairwise(rates[49:]))
    assert 0 < rates[-1] < 1e-6
    assert {loop.learning_rate(constant, step, 1000) for step in (1, 500, 1000)} == {0.02}
    assert loop.learning_rate(cosine, 1, 1) == 0.02


def test_a_schedule_is_kept_to_while_a_run_goes_on() -> None:
    spec = spec_of(schedule="cosine", epochs=4)
    states = [event.state for event in ended(train(spec, dataset()))]
    assert bits(trained(spec, state=states[1])) == bits(states[-1])
    assert bits(trained(spec_of(epochs=4))) != bits(states[-1])


def test_a_run_that_started_as_pca_goes_on_bit_for_bit() -> None:
    spec = spec_of(PCA_BLOCKS, initialisation="pca")
    states = [event.state for event in ended(train(spec, dataset()))]
    assert bits(trained(spec, state=states[0])) == bits(states[-1])


def test_noise_is_fresh_for_each_epoch_of_training_and_the_same_at_each_validation() -> None:
    """With weights that hardly move, the training loss moves by the draw alone and the validation loss not at all."""
    spec = spec_of(noise=Noise("gaussian", 1.0), learning_rate=1e-9, epochs=3)
    rows, bound = trained(spec).history, of_sum(10 * 192)
    still = 2 * bound * rows[0].train_loss  # what two sums over the values of a batch may differ by
    losses = sorted(row.train_loss for row in rows)
    assert all(after - before > still for before, after in pairwise(losses))
    assert max(row.validation_loss for row in rows) - min(row.validation_loss for row in rows) < still
    quiet = [row.train_loss for row in trained(replace(spec, recipe=replace(spec.recipe, noise=None))).history]
    assert max(quiet) - min(quiet) < still


def test_progress_rises_to_the_last_picture_of_each_epoch() -> None:
    spec = spec_of(batch_size=2, epochs=2)
    events = list(train(spec, dataset(), CPU))
    for epoch in (1, 2):
        within = [event for event in events if isinstance(event, Progress) and event.epoch == epoch]
        seen = [event.images for event in within]
        assert seen == sorted(set(seen))
        assert len(seen) > 1
        assert seen[-1] == 45
        assert {event.images_in_epoch for event in within} == {45}
        assert all(event.images_per_second > 0 and event.seconds_left >= 0 for event in within)
    assert events.index(next(event for event in events if isinstance(event, EpochEnded))) == len(events) // 2 - 1
    assert [event.row.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2]
    assert [event.state.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2]


def test_a_loss_that_is_no_number_is_told_with_its_epoch_and_step() -> None:
    pixels = split(45, 1).pixels.float()
    pixels[17] = float("nan")
    spec = spec_of(batch_size=2)
    order = torch.randperm(45, generator=torch.Generator().manual_seed(key(0, 1, "order"))).tolist()
    with pytest.raises(NotFiniteError) as caught:
        trained(spec, dataset(train=Split(pixels, torch.zeros(45, dtype=torch.int64))))
    assert (caught.value.epoch, caught.value.step) == (1, order.index(17) // 2 + 1)
    assert f"epoch 1 at step {caught.value.step}" in str(caught.value)


def test_weights_that_explode_in_the_last_step_of_an_epoch_are_never_yielded_as_good() -> None:
    """One step an epoch at rate 10: the loss before the step is a number, that of every picture after it is not."""
    layers = "3x8x8 | " + " | ".join(["conv3:k1:linear"] * 40)
    spec = spec_of(layers, batch_size=45, learning_rate=10.0, epochs=3)
    good: list[State] = []
    with pytest.raises(NotFiniteError) as caught:
        good.extend(event.state for event in train(spec, dataset(), CPU) if isinstance(event, EpochEnded))
    assert caught.value.epoch == 1
    assert good == []


def test_what_has_nothing_to_train_is_refused_in_a_sentence() -> None:
    with pytest.raises(TrainingError, match=r"pool \| up has nothing to train"):
        next(train(spec_of("3x8x8 | pool | up"), dataset(), CPU))


def test_batch_norm_of_a_single_value_is_refused_and_a_lone_last_picture_joins_a_batch() -> None:
    layers = "3x8x8 | flatten | dense4 | bn | dense192:sigmoid | reshape3x8x8"
    assert trained(spec_of(layers, images=21, epochs=1)).epoch == 1
    with pytest.raises(TrainingError, match=r"Layer 3 \(`bn`\) cannot normalise one picture at a time"):
        trained(spec_of(layers, batch_size=1))


def test_memory_that_the_machine_does_not_have_counts_as_out_of_memory() -> None:
    assert loop.largest_fitting(8, lambda size: torch.empty((size // 2) * 2**50)) == 1


def test_pictures_of_another_shape_are_refused_in_a_sentence() -> None:
    spec = spec_of("3x16x16 | conv3:k1:sigmoid")
    with pytest.raises(TrainingError, match=r"takes pictures of 3×16×16; those of Little pictures are 3×8×8\."):
        next(train(spec, dataset(), CPU))


def test_the_largest_fitting_batch_is_found_by_halving() -> None:
    for size in (1, 2, 7, 100, 1000):
        halves = [half for times in range(1, 11) if (half := size >> times)]
        for limit in (0, 1, 3, 12, 50, 400, 5000):

            def step(count: int, limit: int = limit) -> None:
                if count > limit:
                    raise torch.OutOfMemoryError("too many")

            assert loop.largest_fitting(size, step) == max((half for half in halves if half <= limit), default=0)
    assert loop.largest_fitting(3, lambda size: None, smallest=2) == 2


@pytest.mark.parametrize(
    ("batch", "limit", "sentence"),
    [(20, 7, "a batch of 5 fits"), (20, 0, "not even a batch of 1 fits"), (200, 12, "a batch of 11 fits")],
)
def test_running_out_of_memory_is_told_with_the_batch_that_fits(batch: int, limit: int, sentence: str) -> None:
    def full(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        if len(given[0]) > limit:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    hook = torch.nn.modules.module.register_module_forward_pre_hook(full)
    try:
        with pytest.raises(TrainingError, match=rf"^cpu ran out of memory with a batch of {batch}; {sentence}"):
            trained(spec_of(batch_size=batch))
    finally:
        hook.remove()


def test_real_pictures_are_learned_better_than_their_mean(real_data: Path) -> None:
    system, data = zoo.SYSTEMS["shallow-maxpool"], datasets.load("cifar10", real_data)
    recipe = replace(system.recipe, epochs=1, images=2000)
    spec = RunSpec(system.architecture, recipe, "cifar10", data.fingerprint, 0, system.name)
    assert trained(spec, data).history[-1].validation_mse < MEAN_IMAGE_MSE


@st.composite
def drawn_lines(draw: st.DrawFn) -> str:
    """An architecture, or one with a word put in, taken out or replaced; or words without any plan."""
    words = str(draw(autoencoders())).split(" | ")
    kind = draw(st.sampled_from(["as it is", "put in", "taken out", "replaced", "no plan"]))
    place = draw(st.integers(0, len(words) - 1))
    if kind == "no plan":
        return draw(lines(6))
    if kind != "as it is":
        words[place : place + (kind != "put in")] = [draw(st.sampled_from(WORDS))] * (kind != "taken out")
    return " | ".join(words)


SMALL = Limits(memory=20_000_000, macs=20_000_000, pixels=64)  # so that a thousand steps take seconds


@pytest.mark.slow
@settings(max_examples=1000)
@given(drawn_lines())
def test_any_line_trains_a_step_or_is_refused_with_a_sentence_that_names_the_layer(line: str) -> None:
    diagnosis = diagnose(line, SMALL)
    for problem in diagnosis.problems:
        assert problem.sentence.startswith(f"Layer {problem.position} (`") or problem.position is None
    architecture = diagnosis.architecture
    if architecture is None:
        assert diagnosis.problems
        return
    shape = architecture.input_shape
    pixels = torch.randint(256, (2, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pair = Split(pixels, torch.zeros(2, dtype=torch.int64))
    pictures = Dataset("pair", "Two pictures", ("one",), shape, lambda: (pair, pair), lambda: (pair,))
    spec = RunSpec(architecture, Recipe(epochs=1, batch_size=2), "pair", "")
    if not architecture.parameters:
        with pytest.raises(TrainingError, match="has nothing to train"):
            ended(train(spec, pictures, CPU))
        return
    (end,) = ended(train(spec, pictures, CPU))
    assert isfinite(end.row.train_loss)
    initial = loop.build(architecture, spec.recipe, 0, CPU).state_dict()
    assert {name: tensor.shape for name, tensor in end.state.weights.items()} == {
        name: tensor.shape for name, tensor in initial.items()
    }
    assert all(tensor.isfinite().all() for tensor in end.state.weights.values())
