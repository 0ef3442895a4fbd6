"""A trained model: it is split at its code."""

import pytest
import torch

from aecore.models import zoo
from aecore.models.architecture import Architecture
from aecore.models.recipe import Recipe, RunSpec
from aecore.reconstructors.trained import Model, NoCodeError


@pytest.mark.parametrize("name", [name for name, system in zoo.SYSTEMS.items() if system.recipe.noise is None])
def test_a_system_decodes_its_own_code(name: str) -> None:
    architecture = zoo.SYSTEMS[name].architecture
    model = Model(RunSpec(architecture, Recipe(), "cifar10", "0"), architecture.module().state_dict())
    pictures = torch.rand(2, *architecture.input_shape, generator=torch.Generator().manual_seed(0))
    code = model.encode(pictures)
    assert code.shape == (2, *architecture.code.output_shape)
    torch.testing.assert_close(model.decode(code), model(pictures))


def test_a_model_that_skips_go_past_has_no_code() -> None:
    architecture = Architecture.parse("skip | conv8 | conv3:linear | add")
    model = Model(RunSpec(architecture, Recipe(), "cifar10", "0"), architecture.module().state_dict())
    with pytest.raises(NoCodeError, match="has no code"):
        model.encode(torch.rand(1, 3, 32, 32))
