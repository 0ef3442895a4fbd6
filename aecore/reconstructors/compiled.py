"""A trained autoencoder that ONNX Runtime computes: on one core faster than torch, and equal to it to 1e-5.

For pictures that people look at. Published scores come from torch.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from threading import Lock

import onnxruntime
import torch
from torch import Tensor, nn

from aecore.models.recipe import RunSpec
from aecore.reconstructors import onnx_export
from aecore.reconstructors.trained import BATCH, Described, Model

# ONNX Runtime holds every weight twice, of which one copy is in the order of its loops: of dense models with tens of
# megabytes that costs more than it gains.
MOST_PARAMETERS = 4_000_000


class Compiled(Described):
    """A trained model in ONNX Runtime; torch takes over for gradients, codes and pictures of another size.

    Any number of threads may call it at once, and others go on meanwhile. `load` reads the model for torch, which is
    not held in memory until it is needed.
    """

    def __init__(self, spec: RunSpec, session: onnxruntime.InferenceSession, load: Callable[[], Model]) -> None:
        self.spec = spec
        self._session = session
        self._load = load
        self._loading = Lock()

    @property
    def bytes_held(self) -> int:
        """The memory of its weights."""
        return 2 * self.spec.architecture.parameters * torch.float32.itemsize

    def __call__(self, pictures: Tensor) -> Tensor:
        """Reconstruct `[N, C, H, W]` float pictures; the output has the same shape and is not clamped."""
        fits = pictures.shape[1:] == self.spec.architecture.input_shape and pictures.dtype == torch.float32
        if not fits or not len(pictures):
            return self.by_torch(pictures)
        batches = torch.split(pictures.detach().contiguous(), BATCH)
        outputs = [self._session.run(None, {onnx_export.INPUT: batch.numpy()})[0] for batch in batches]
        return torch.cat([torch.from_numpy(output) for output in outputs])

    @cached_property
    def _torch(self) -> Model:
        return self._load()

    @property
    def by_torch(self) -> Model:
        """The same model in torch."""
        with self._loading:
            return self._torch

    def differentiable(self, pictures: Tensor) -> Tensor:
        """The same output as a call, to 1e-5, with gradients."""
        return self.by_torch.differentiable(pictures)

    @property
    def module(self) -> nn.Sequential:
        """The torch module, in evaluation mode."""
        return self.by_torch.module

    def encode(self, pictures: Tensor) -> Tensor:
        """The codes of pictures, as those of `Model`."""
        return self.by_torch.encode(pictures)

    def decode(self, codes: Tensor) -> Tensor:
        """The pictures of `codes`, as those of `Model`."""
        return self.by_torch.decode(codes)


def compiled(load: Callable[[], Model]) -> Compiled | Model:
    """The model that `load` reads, in ONNX Runtime; in torch where that cannot compute it to 1e-5, or it is large."""
    model = load()
    architecture = model.spec.architecture
    # Where numbers are rounded, the last digit of one may decide between two steps.
    if architecture.parameters > MOST_PARAMETERS or architecture.entropy_model:
        return model
    try:
        session = onnx_export.session(model)
    except Exception:  # ONNX Runtime's own errors have no other common type; torch computes whatever it cannot
        return model
    return Compiled(model.spec, session, load)
