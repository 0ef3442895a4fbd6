"""What the units of a code do, compared with NumPy and SciPy on the codes as a whole, and on real models."""

import numpy as np
import pytest
import scipy.stats
import torch

from aecore.data import datasets
from aecore.data.splits import to_float
from aecore.measuring import codes, units
from aecore.measuring.units import Activity, CodeError
from aecore.runs.store import Store


def convolutional(pictures: int = 60) -> torch.Tensor:
    """Codes `[N, 5, 3, 4]` of a ReLU; channel 1 is always zero and channel 3 always 2, channel 4 follows channel 0."""
    draw = torch.Generator().manual_seed(1)
    made = torch.randn(pictures, 5, 3, 4, generator=draw).relu()
    made[:, 1], made[:, 3] = 0, 2
    made[:, 4] += 3 * made[:, 0]
    return made


def activity_of(made: torch.Tensor) -> Activity:
    return Activity.of(torch.split(made, 17))


def test_activations_of_channels_are_means_over_positions() -> None:
    made = convolutional()
    activity = activity_of(made)
    expected = made.double().numpy().mean((2, 3))
    assert activity.positions == 12
    np.testing.assert_allclose(activity.values, expected, rtol=1e-5)
    np.testing.assert_allclose(activity.mean, expected.mean(0), rtol=1e-5)
    np.testing.assert_allclose(activity.deviation, expected.std(0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(activity.share_of_zeros, (made.numpy() == 0).mean((0, 2, 3)), rtol=1e-6)
    np.testing.assert_array_equal(activity.lowest, made.numpy().min((0, 2, 3)))
    np.testing.assert_array_equal(activity.highest, made.numpy().max((0, 2, 3)))


def test_a_dead_unit_is_zero_everywhere_and_a_constant_one_says_nothing() -> None:
    activity = activity_of(convolutional())
    assert activity.is_dead.tolist() == [False, True, False, False, False]
    assert activity.is_constant.tolist() == [False, True, False, True, False]


@pytest.mark.parametrize("flat", [False, True])
def test_correlations_are_those_of_scipy(flat: bool) -> None:
    made = convolutional()[:, :, 0, 0].contiguous() if flat else convolutional()
    activity = activity_of(made)
    values = activity.values.numpy().astype(float)
    correlations = activity.correlations([0, 3])
    for unit in (2, 4):
        expected = scipy.stats.pearsonr(values[:, 0], values[:, unit]).statistic
        assert float(correlations[0, unit]) == pytest.approx(expected, abs=1e-9)
    assert float(correlations[0, 0]) == pytest.approx(1)
    assert correlations[0, [1, 3]].isnan().all(), "a unit that never changes has no correlation"
    assert correlations[1].isnan().all()


def test_the_rounding_of_a_mean_does_not_make_a_constant_unit_vary() -> None:
    """A third is no binary fraction: less their mean, equal numbers need not be zero."""
    made = torch.cat([torch.full((1001, 1), 1 / 3), torch.randn(1001, 1, generator=torch.Generator())], 1)
    assert activity_of(made).correlations([0]).isnan().all()


def test_the_pictures_that_drive_a_unit_are_in_order() -> None:
    made = torch.tensor([[1.0], [5.0], [3.0], [5.0], [0.0], [0.0]])
    assert activity_of(made).driving(0, 3) == ([1, 3, 2], [4, 5, 0])
    assert activity_of(made).driving(0, 9) == ([1, 3, 2, 0, 4, 5], [4, 5, 0, 2, 1, 3])


def test_a_code_that_is_not_finite_is_reported() -> None:
    made = convolutional()
    made[40, 2, 1, 1] = torch.nan
    with pytest.raises(CodeError, match="not finite"):
        activity_of(made)


@pytest.mark.parametrize("name", ["compress-64", "shallow-strided", "deep-strided-4", "dense"])
def test_a_real_code_arrives_in_batches_as_it_is(name: str) -> None:
    model, pixels = Store().load(name), datasets.load("cifar10-excerpt").test.pixels[:700]
    activity = Activity.of(codes.in_batches(model, pixels))
    whole = model.encode(to_float(pixels))
    expected = whole.flatten(2).mean(2) if whole.ndim == 4 else whole
    assert activity.shape == model.spec.architecture.code.output_shape
    torch.testing.assert_close(activity.values, expected, rtol=1e-4, atol=1e-4)
    correlations = activity.correlations(range(units.count(activity.shape)))
    varying = (expected.amax(0) > expected.amin(0)).nonzero()[:, 0]
    reference = np.corrcoef(activity.values[:, varying].double().numpy().T)
    np.testing.assert_allclose(correlations[varying][:, varying], reference, atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "words"), [((64,), "64 numbers"), ((32, 16, 16), "32 channels at 16×16 positions"), ((1, 2, 2), "1 chan")]
)
def test_codes_in_words(shape: tuple[int, ...], words: str) -> None:
    assert units.in_words(shape).startswith(words)
