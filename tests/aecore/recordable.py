"""Whether a computation could be recorded as a CUDA graph, seen on the CPU from the calls of torch in it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

READ = {"item", "tolist", "numpy", "cpu", "equal", "__bool__", "__float__", "__int__", "__index__"}
BROUGHT = {"tensor", "as_tensor", "new_tensor", "from_numpy"}
AS_MANY_AS_THERE_ARE = {"nonzero", "masked_select", "argwhere", "unique"}


class _Calls(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.names = list[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        indices = args[1] if func in (Tensor.__getitem__, Tensor.__setitem__) else ()
        parts = indices if isinstance(indices, tuple) else (indices,)
        by_mask = any(isinstance(part, Tensor) and part.dtype == torch.bool for part in parts)
        self.names.append("nonzero" if by_mask else func.__name__)
        return func(*args, **(kwargs or {}))


def waiting(compute: Callable[[], object]) -> set[str]:
    """The calls of `compute` for which a GPU and the processor would wait for each other; it must call something."""
    with _Calls() as calls:
        compute()
    assert calls.names, "nothing was computed"
    return (READ | BROUGHT | AS_MANY_AS_THERE_ARE).intersection(calls.names)
