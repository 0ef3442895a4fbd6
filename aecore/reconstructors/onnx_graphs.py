"""The ONNX graph of consecutive layers, of standard operators alone: ONNX Runtime has them on the CPU and in a browser.

`add_operators(layer, shape, weights, graph)` appends the operators of a layer record. To support a new layer, register
a function for its type. Nothing is folded: a graph reads like its line of layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from torch import nn

from aecore.models.layers import (
    Activate,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Entropy,
    Flatten,
    GroupNorm,
    Join,
    Layer,
    MaxPool,
    Reshape,
    Shape,
    Skip,
    Sparsity,
    TransposedConv,
    Upsample,
)
from aecore.models.modules import BATCH_NORM_EPSILON
from aecore.models.steps import Step

OPSET = 20
GROUP_NORM_EPSILON = 1e-5  # torch's default; the default slopes of torch's and ONNX's leaky ReLU are equal
OPERATORS = {
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "gelu": "Gelu",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}


class Graph:
    """A graph in the making: its operators, its constants, and the names of the values that later operators take."""

    def __init__(self, given: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.value = given  # the output of the last operator
        self.skipped: list[str] = []  # the inputs of the skips that are open, the innermost last

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Append an operator that takes `inputs`; returns the name of its output."""
        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def add(self, operator: str, *others: str, **attributes: Any) -> None:
        """Append an operator that takes `value`, and then perhaps others; its output is `value` from now on."""
        self.value = self.node(operator, self.value, *others, **attributes)

    def activate(self, activation: str) -> None:
        """Append an activation; `linear` is none."""
        if activation == "silu":
            self.add("Mul", self.node("Sigmoid", self.value))
        elif activation != "linear":
            self.add(OPERATORS[activation])

    def constant(
        self, values: Sequence[float] | np.ndarray, kind: type[np.generic] = np.float32, name: str = ""
    ) -> str:
        """The name of a new constant, which is `name` if one is given."""
        name = name or f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, kind), name))
        return name

    def finish(self, output: str) -> None:
        """Call the value of the last operator `output`, and leave out constants that no operator takes."""
        if not self.nodes:  # layers that do nothing after training
            self.add("Identity")
        self.nodes[-1].output[0] = self.value = output
        taken = {name for node in self.nodes for name in node.input}
        self.constants = [constant for constant in self.constants if constant.name in taken]


def graph_of(steps: Iterable[Step], modules: Iterable[nn.Module], given: str, output: str) -> Graph:
    """The graph of consecutive layers from the value `given` to the value `output`.

    `modules` are those of the layers, with their weights. They are called in the graph what the module of the whole
    architecture calls them.
    """
    graph = Graph(given)
    for step, module in zip(steps, modules, strict=True):
        weights = {
            name.rpartition(".")[-1]: graph.constant(tensor.numpy(force=True), name=f"{step.position - 1}.{name}")
            for name, tensor in module.state_dict().items()
            if tensor.is_floating_point()  # and not batch norm's number of batches
        }
        add_operators(step.layer, step.input_shape, weights, graph)
    graph.finish(output)
    return graph


@singledispatch
def add_operators(layer: Layer, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    """Append the operators of `layer` for an input of `shape`; `weights` names the constants that hold its weights."""
    raise NotImplementedError(f"no operators are registered for the layer `{layer.keyword}`")


@add_operators.register
def _conv(layer: Conv, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    (top, bottom), (left, right) = map(layer.padding, shape[1:])
    strides, pads = [layer.stride] * 2, [top, left, bottom, right]
    graph.add("Conv", weights["weight"], weights["bias"], strides=strides, pads=pads)
    graph.activate(layer.activation)


@add_operators.register
def _transposed_conv(layer: TransposedConv, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    # Of an odd number of rows to crop, `same` padding crops the greater half at the end.
    before, after = layer.padding, layer.kernel - layer.stride - layer.padding
    strides, pads = [layer.stride] * 2, [before, before, after, after]
    graph.add("ConvTranspose", weights["weight"], weights["bias"], strides=strides, pads=pads)
    graph.activate(layer.activation)


@add_operators.register
def _dense(layer: Dense, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.add("Gemm", weights["weight"], weights["bias"], transB=1)
    graph.activate(layer.activation)


@add_operators.register
def _max_pool(layer: MaxPool, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.add("MaxPool", kernel_shape=[layer.factor] * 2, strides=[layer.factor] * 2)


@add_operators.register
def _average_pool(layer: AveragePool, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.add("AveragePool", kernel_shape=[layer.factor] * 2, strides=[layer.factor] * 2)


@add_operators.register
def _upsample(layer: Upsample, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    factors = graph.constant([1, 1, layer.factor, layer.factor])
    if layer.mode == "nearest":
        place = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        place = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    graph.add("Resize", "", factors, **place)  # the empty name is a region of interest, which it has not


@add_operators.register
def _batch_norm(layer: BatchNorm, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    graph.add("BatchNormalization", *map(weights.__getitem__, names), epsilon=BATCH_NORM_EPSILON)


@add_operators.register
def _group_norm(layer: GroupNorm, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    # ONNX Runtime has no kernel for ONNX's group norm, and its instance norm is off by 1e-5 at 96×96 from long sums.
    # So a mean is taken of each row, and then of those.
    channels, groups = shape[0], layer.groups
    sizes = graph.node("Shape", graph.value)
    width = graph.node("Shape", graph.value, start=3)
    grouped = graph.node("Concat", graph.constant([0, groups, -1], np.int64), width, axis=0)
    graph.add("Reshape", grouped)  # [N, groups, rows of all their channels, W]
    graph.add("Sub", _mean(graph.value, graph))
    variance = _mean(graph.node("Mul", graph.value, graph.value), graph)
    deviation = graph.node("Sqrt", graph.node("Add", variance, graph.constant([GROUP_NORM_EPSILON])))
    weight = graph.node("Reshape", weights["weight"], graph.constant([groups, channels // groups, 1], np.int64))
    scale = graph.node("Div", weight, deviation)  # [N, groups, channels of each, 1]
    graph.add("Reshape", sizes)
    graph.add("Mul", graph.node("Reshape", scale, graph.constant([0, channels, 1, 1], np.int64)))
    graph.add("Add", graph.node("Unsqueeze", weights["bias"], graph.constant([1, 2], np.int64)))


def _mean(value: str, graph: Graph) -> str:
    for axis in (3, 2):
        value = graph.node("ReduceMean", value, graph.constant([axis], np.int64))
    return value


@add_operators.register
def _activate(layer: Activate, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.activate(layer.function)


@add_operators.register(Dropout)
@add_operators.register(Sparsity)
def _nothing(layer: Layer, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    """Layers that do something during training only."""


@add_operators.register
def _entropy(layer: Entropy, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    # At the highest rate, as a call of the module. The predicted probabilities do not change the picture.
    highest, axes = graph.constant([layer.rates - 1], np.int64), graph.constant([2, 3], np.int64)
    factors = [graph.node("Exp", graph.node("Gather", weights[name], highest)) for name in ("gains", "returns")]
    before, after = (graph.node("Unsqueeze", factor, axes) for factor in factors)
    graph.add("Mul", before)
    graph.add("Round")
    graph.add("Mul", after)


@add_operators.register
def _flatten(layer: Flatten, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.add("Flatten")


@add_operators.register
def _reshape(layer: Reshape, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.add("Reshape", graph.constant([0, *layer.shape], np.int64))  # 0: as many pictures as there are


@add_operators.register
def _skip(layer: Skip, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    graph.skipped.append(graph.value)


@add_operators.register
def _join(layer: Join, shape: Shape, weights: Mapping[str, str], graph: Graph) -> None:
    skipped = graph.skipped.pop()
    if layer.closes_skip == "channels":
        graph.add("Concat", skipped, axis=1)
    else:
        graph.add("Add", skipped)
