"""A trained autoencoder as a reconstructor."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from aecore import AecoreError
from aecore.models.modules import memory_format
from aecore.models.recipe import RunSpec
from aecore.models.reconstructor import Reach

BATCH = 100  # fits into the processor's cache: 250 takes twice as long


class NoCodeError(AecoreError):
    """A model has no code: skips bypass every layer."""


class Described:
    """What the spec of a trained model says of it, whatever computes it."""

    spec: RunSpec

    @property
    def name(self) -> str:
        """Its name in texts."""
        return self.spec.name

    @property
    def code_size(self) -> int | None:
        """How many numbers its code has; None if it has no code."""
        return self.spec.architecture.code_size

    @property
    def any_size(self) -> bool:
        """Whether it takes pictures of every size: if it is convolutional."""
        return self.spec.architecture.is_convolutional

    @property
    def reach(self) -> Reach:
        """Which pixels its outputs depend on, if it takes pictures of every size."""
        return self.spec.architecture.reach

    @property
    def bytes_per_pixel(self) -> float:
        """The memory of one pass per pixel of a picture, if it takes pictures of every size."""
        return self.spec.architecture.bytes_per_pixel


class Model(Described):
    """An architecture with trained weights, in evaluation mode."""

    def __init__(self, spec: RunSpec, weights: Mapping[str, Tensor]) -> None:
        self.spec = spec
        module = spec.architecture.module()
        module.load_state_dict(weights)
        self._layout = memory_format(spec.architecture.convolves)
        self._module = module.to(memory_format=self._layout).eval()

    @property
    def bytes_held(self) -> int:
        """The memory of its weights."""
        return self.spec.architecture.parameters * torch.float32.itemsize

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` float pictures; the output has the same shape and is not clamped."""
        return self._through(self._module, pictures)

    def differentiable(self, pictures: Tensor) -> Tensor:
        """The same output as a call, with gradients."""
        output: Tensor = self._module(pictures)
        return output

    @property
    def module(self) -> nn.Sequential:
        """The torch module, in evaluation mode."""
        return self._module

    def encode(self, pictures: Tensor) -> Tensor:
        """The codes of `[N, C, H, W]` float pictures, `[N, …]` in the shape of the architecture's code.

        Raises `NoCodeError` if skips bypass every layer.
        """
        return self._through(self._module[: self.code_position], pictures)

    def decode(self, codes: Tensor) -> Tensor:
        """The pictures of `codes`: `decode(encode(pictures))` equals a call. Raises as `encode`."""
        return self._through(self._module[self.code_position :], codes)

    @property
    def code_position(self) -> int:
        """How many layers the encoder has; raises as `encode`."""
        code = self.spec.architecture.code
        if code is None:
            raise NoCodeError(f"{self.name} has no code: a skip connection bypasses every layer.")
        return code.position

    def _through(self, module: nn.Module, values: Tensor) -> Tensor:
        with torch.inference_mode():
            if values.ndim == 4:  # a flat code has no layout
                values = values.contiguous(memory_format=self._layout)
            return torch.cat([module(batch) for batch in torch.split(values, BATCH)]).contiguous()


def half_precision(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights with floating-point numbers in float16, as published runs store them."""
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
