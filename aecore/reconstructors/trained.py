"""A trained autoencoder as a reconstructor."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from aecore import AecoreError
from aecore.models.modules import memory_format
from aecore.models.recipe import RunSpec

BATCH = 100  # what fits the cache: 250 takes twice as long


class NoCodeError(AecoreError):
    """A model without a code: skips go past every one of its layers."""


class Model:
    """A trained autoencoder as a reconstructor."""

    def __init__(self, spec: RunSpec, weights: Mapping[str, Tensor]) -> None:
        self.spec = spec
        module = spec.architecture.module()
        module.load_state_dict(weights)
        self._layout = memory_format(spec.architecture.convolves)
        self._module = module.to(memory_format=self._layout).eval()

    @property
    def name(self) -> str:
        """What people call it."""
        return self.spec.name

    @property
    def code_size(self) -> int:
        """Numbers in its code."""
        return self.spec.architecture.code_size

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` float pictures; the output is of the same shape and not clamped."""
        return self._through(self._module, pictures)

    def differentiable(self, pictures: Tensor) -> Tensor:
        """What a call gives, with gradients."""
        output: Tensor = self._module(pictures)
        return output

    @property
    def module(self) -> nn.Sequential:
        """What computes it, in evaluation mode: for gradients, which a call does not keep."""
        return self._module

    def encode(self, pictures: Tensor) -> Tensor:
        """The codes of `[N, C, H, W]` float pictures, `[N, …]` as the architecture's code step gives them.

        Raises `NoCodeError` where skips go past every layer.
        """
        return self._through(self._module[: self._code_position], pictures)

    def decode(self, codes: Tensor) -> Tensor:
        """The pictures that `codes` stand for: `decode(encode(pictures))` is what a call gives. Raises as `encode`."""
        return self._through(self._module[self._code_position :], codes)

    @property
    def _code_position(self) -> int:
        code = self.spec.architecture.code
        if code.bypasses:
            raise NoCodeError(f"{self.name} has no code: skips go past every one of its layers.")
        return code.position

    def _through(self, module: nn.Module, values: Tensor) -> Tensor:
        with torch.inference_mode():
            if values.ndim == 4:  # a flat code has no layout
                values = values.contiguous(memory_format=self._layout)
            return torch.cat([module(batch) for batch in torch.split(values, BATCH)]).contiguous()


def half_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights with their floating-point numbers in float16, as published runs keep them."""
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
