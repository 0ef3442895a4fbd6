"""How long the ONNX file of a system takes, and how fast ONNX Runtime computes it, beside what torch's exporter makes.

    python -m benchmarks.onnx_export [NAME …]

On one core. In milliseconds: the first export and the median of the next, which build the file, load it into ONNX
Runtime and compare it with torch; torch's exporter, which compares nothing; and the medians of twelve pictures through
either file, taken in turns.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from copy import deepcopy
from statistics import median
from time import perf_counter

import numpy as np
import onnxruntime
import torch

from aecore.reconstructors import onnx_export
from aecore.reconstructors.trained import Model
from aecore.runs.store import Store

NAMES = ("shallow-strided-bn", "denoise-unet", "compress-64", "deep-strided-4-bn")
PICTURES = 12
ROUNDS = 50


def main() -> None:
    """Measure, and print one line per system."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onnx_export", description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES)
    names = parser.parse_args().names
    torch.set_num_threads(1)
    store = Store()
    print("| | first export | export | torch's exporter | 12 pictures | 12 pictures, torch's file |")
    print("|---|--:|--:|--:|--:|--:|")
    for name in names:
        figures = measure(store.load(name))
        print(f"| {name} | " + " | ".join(f"{figure:.3g}" for figure in figures) + " |", flush=True)


def measure(model: Model) -> list[float]:
    """The figures of a line, in milliseconds."""
    first = milliseconds(lambda: onnx_export.export(model))
    later = median(milliseconds(lambda: onnx_export.export(model)) for _ in range(ROUNDS // 5))
    files = list[bytes]()
    exporter = milliseconds(lambda: files.append(by_torch(model)))
    runs = [runner(content, model) for content in (onnx_export.export(model), files[0])]
    turns = [[milliseconds(run) for run in runs] for _ in range(ROUNDS)]
    return [first, later, exporter, *(median(times) for times in zip(*turns, strict=True))]


def milliseconds(call: Callable[[], object]) -> float:
    """How long a call takes."""
    start = perf_counter()
    call()
    return (perf_counter() - start) * 1e3


def by_torch(model: Model) -> bytes:
    """The file that torch's exporter makes, for any number of pictures of the model's own size."""
    pictures = torch.rand(3, *model.spec.architecture.input_shape)
    sizes = {0: torch.export.Dim("batch")}
    module = deepcopy(model.module).to(memory_format=torch.contiguous_format)  # as anyone's is
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch about its own parts
        program = torch.onnx.export(module, (pictures,), dynamo=True, dynamic_shapes=(sizes,), verbose=False)
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def runner(content: bytes, model: Model) -> Callable[[], object]:
    """Twelve pictures through a file, on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    shape = (PICTURES, *model.spec.architecture.input_shape)
    given = {session.get_inputs()[0].name: np.random.default_rng(0).random(shape, np.float32)}
    return lambda: session.run(None, given)


if __name__ == "__main__":
    main()
