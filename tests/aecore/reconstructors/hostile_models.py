"""ONNX files that somebody might bring: whole ones, damaged ones, and such as were made to harm."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import FunctionProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT, OPSET = TensorProto.FLOAT, 17
Shape = list[str | int | None]
OPEN: Shape = ["N", 3, "H", "W"]
TENTHS = 10
# These are models; all others must be refused.
WHOLE = (
    "identity",
    "convolution",
    "fixed size",
    "one picture at a time",
    "grey",
    "random",
    "branches",
    "odd names",
    "old opset",
)


def model(
    nodes: list[NodeProto],
    weights: list[TensorProto] | None = None,
    *,
    given: Shape = OPEN,
    made: Shape = OPEN,
    kind: int = FLOAT,
    opset: int = OPSET,
) -> ModelProto:
    """A model from the input `x` to the output `y`."""
    inputs = [helper.make_tensor_value_info("x", kind, given)]
    outputs = [helper.make_tensor_value_info("y", kind, made)]
    graph = helper.make_graph(nodes, "graph", inputs, outputs, weights or [])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(operator: str, inputs: str = "x", outputs: str = "y", **attributes: Any) -> NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def weight(name: str, values: Any, kind: type = np.float32) -> TensorProto:
    return numpy_helper.from_array(np.asarray(values, kind), name)


def convolution(kernel: NDArray[np.float32] | None = None, **options: Any) -> ModelProto:
    """One that keeps the size: of a kernel that is the identity, unless another is given."""
    if kernel is None:
        kernel = np.zeros((3, 3, 3, 3), np.float32)
        kernel[range(3), range(3), 1, 1] = 1
    return model([node("Conv", "x w", pads=[1, 1, 1, 1])], [weight("w", kernel)], **options)


def files() -> Iterator[tuple[str, bytes]]:
    """The name and content of each."""
    for name, proto in (*_whole(), *_wrong_shapes(), *_unusual(), *_external(), *_costly(), *_broken()):
        yield name, proto.SerializeToString()
    yield from _no_models()


def _whole() -> Iterator[tuple[str, ModelProto]]:
    yield "identity", model([node("Identity")])
    yield "convolution", convolution()
    yield "fixed size", convolution(given=["N", 3, 32, 32], made=["N", 3, 32, 32])
    yield "one picture at a time", convolution(given=[1, 3, 32, 32], made=[1, 3, 32, 32])
    yield "grey", model([node("Identity")], given=["N", 1, 28, 28], made=["N", 1, 28, 28])
    yield "random", model([node("RandomUniformLike", seed=1.0)])
    branch = [helper.make_graph([node("Identity", "x", name)], name, [], [_info(name)]) for name in ("a", "b")]
    condition = node("Constant", "", "c", value=numpy_helper.from_array(np.array(True)))
    yield "branches", model([condition, node("If", "c", then_branch=branch[0], else_branch=branch[1])])
    odd = model([node("Identity")])
    odd.graph.name, odd.producer_name = "<img src=x onerror=alert(1)>", "\u202e../../etc"
    yield "odd names", odd
    yield "old opset", model([node("Relu")], opset=7)


def _info(name: str, kind: int = FLOAT, shape: Shape | None = None) -> Any:
    return helper.make_tensor_value_info(name, kind, shape or OPEN)


def _wrong_shapes() -> Iterator[tuple[str, ModelProto]]:
    yield "rank 3", model([node("Identity")], given=["N", "H", "W"], made=["N", "H", "W"])
    yield "rank 5", model([node("Identity")], given=["N", 3, 4, 8, 8], made=["N", 3, 4, 8, 8])
    yield "rank 0", model([node("Identity")], given=[], made=[])
    for name, kind in (
        ("whole numbers", TensorProto.INT64),
        ("doubles", TensorProto.DOUBLE),
        ("half precision", TensorProto.FLOAT16),
        ("texts", TensorProto.STRING),
        ("yes and no", TensorProto.BOOL),
    ):
        yield name, model([node("Identity")], kind=kind)
    yield "four channels", model([node("Identity")], given=["N", 4, 8, 8], made=["N", 4, 8, 8])
    yield "no channels", model([node("Identity")], given=["N", 0, 8, 8], made=["N", 0, 8, 8])
    yield "a batch of seven", model([node("Identity")], given=[7, 3, 8, 8], made=[7, 3, 8, 8])
    yield "tiny pictures", model([node("Identity")], given=["N", 3, 2, 2], made=["N", 3, 2, 2])
    yield "endless pictures", model([node("Identity")], given=["N", 3, 10**6, 10**6], made=["N", 3, 10**6, 10**6])
    yield "half the size", model([node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])], made=["N", 3, "h", "w"])
    yield "a grey output", model([node("ReduceMean", axes=[1])], made=["N", 1, "H", "W"])
    yield "one output for all", model([node("ReduceMean", axes=[0])], made=[1, 3, "H", "W"])
    yield "a lying output", model([node("MaxPool", kernel_shape=[2, 2], strides=[2, 2])], made=["N", 3, 32, 32])
    two = model([node("Identity"), node("Identity", "x", "z")])
    two.graph.output.append(_info("z"))
    yield "two outputs", two
    two = model([node("Add", "x z")])
    two.graph.input.append(_info("z"))
    yield "two inputs", two
    none = model([node("Identity")])
    del none.graph.input[:]
    yield "no input", none
    none = model([node("Identity")])
    del none.graph.output[:]
    yield "no output", none
    yield "a sequence", _sequence()


def _sequence() -> ModelProto:
    made = model([node("SequenceConstruct", "x")])
    made.graph.output[0].CopyFrom(helper.make_tensor_sequence_value_info("y", FLOAT, OPEN))
    return made


def _unusual() -> Iterator[tuple[str, ModelProto]]:
    own = model([node("Mystery", domain="com.example")])
    own.opset_import.append(helper.make_opsetid("com.example", 1))
    yield "an operator of its own", own
    runtime = model([node("FusedGelu", domain="com.microsoft")])
    runtime.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    yield "an operator of a runtime", runtime
    learning = model([node("Scaler", domain="ai.onnx.ml", offset=[0.0], scale=[1.0])])
    learning.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    yield "an operator of ONNX-ML", learning
    yield "an operator that is none", model([node("Mystery")])
    function = model([node("Mine", domain="mine")])
    function.opset_import.append(helper.make_opsetid("mine", 1))
    body: FunctionProto = helper.make_function(
        "mine", "Mine", ["x"], ["y"], [node("Identity")], [helper.make_opsetid("", OPSET)]
    )
    function.functions.append(body)
    yield "a function of its own", function
    branch = helper.make_graph([node("Mystery", "x", "a", domain="hidden")], "inside", [], [_info("a")])
    condition = node("Constant", "", "c", value=numpy_helper.from_array(np.array(True)))
    hidden = model([condition, node("If", "c", then_branch=branch, else_branch=branch)])
    hidden.opset_import.append(helper.make_opsetid("hidden", 1))
    yield "an operator of its own in a branch", hidden
    for opset in (0, 1, 6, 99, 2**40):
        yield f"opset {opset}", model([node("Identity")], opset=opset)
    without = model([node("Identity")])
    del without.opset_import[:]
    yield "no opset", without
    newer = model([node("Identity")])
    newer.ir_version = 10**6
    yield "a newer format", newer
    for name, value in (("NaN", np.nan), ("infinite", np.inf), ("overflowing", 3e38)):
        yield f"{name} weights", convolution(np.full((3, 3, 3, 3), value, np.float32))
    yield "a logarithm of less than zero", model([node("Neg", "x", "a"), node("Log", "a")])


def _external() -> Iterator[tuple[str, ModelProto]]:
    for place in ("/etc/passwd", "../../secret", "weights.bin", "\\\\server\\share", "https://example.com/weights"):
        outside = convolution()
        _move(outside.graph.initializer[0], place)
        yield f"weights in {place}", outside
    tensor = weight("", np.zeros((1, 3, 1, 1)))
    _move(tensor, "/etc/passwd")
    yield "a constant in another file", model([node("Constant", "", "c", value=tensor), node("Add", "x c")])
    sparse = convolution()
    values, indices = weight("w", [1.0]), weight("i", [0], np.int64)
    _move(values, "/dev/zero")
    sparse.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [81]))
    yield "sparse weights in another file", sparse


def _move(tensor: TensorProto, place: str) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)


def _costly() -> Iterator[tuple[str, ModelProto]]:
    for power in (34, 40, 62):
        size = weight("s", [2**power], np.int64)
        filled = node("ConstantOfShape", "s", "big", value=weight("", [1.0]))
        yield (
            f"2^{power} numbers",
            model([filled, node("ReduceSum", "big", "sum", keepdims=0), node("Add", "x sum")], [size]),
        )
    times = weight("t", [1, 1, 2**12, 2**12], np.int64)
    yield (
        "tiled for ever",
        model([node("Tile", "x t", "a"), node("ReduceMax", "a", "m", keepdims=0), node("Add", "x m")], [times]),
    )
    yield "a loop that never ends", _loop(1)
    yield "loops in a loop", _loop(2)
    yield (
        "too many operators",
        model(
            [
                *(node("Identity", f"a{number}" if number else "x", f"a{number + 1}") for number in range(20_001)),
                node("Identity", "a20001"),
            ]
        ),
    )


def _loop(depth: int) -> ModelProto:
    inner = [node("Identity", "go", "on"), node("Cos", "value", "next")]
    if depth > 1:
        inner = [
            node("Identity", "go", "on"),
            node(
                "Loop",
                "most true value",
                "next",
                body=_body([node("Identity", "go2", "on2"), node("Cos", "value2", "next2")], "2"),
            ),
        ]
    most = weight("most", 2**62, np.int64)
    true = weight("true", True, np.bool_)
    return model([node("Loop", "most true x", "y", body=_body(inner, ""))], [most, true])


def _body(nodes: list[NodeProto], ending: str) -> GraphProto:
    number = helper.make_tensor_value_info(f"number{ending}", TensorProto.INT64, [])
    go, on = (helper.make_tensor_value_info(f"{name}{ending}", TensorProto.BOOL, []) for name in ("go", "on"))
    return helper.make_graph(
        nodes, f"body{ending}", [number, go, _info(f"value{ending}")], [on, _info(f"next{ending}")]
    )


def _broken() -> Iterator[tuple[str, ModelProto]]:
    yield "a cycle", model([node("Add", "x b", "a"), node("Identity", "a", "b"), node("Identity", "a")])
    yield "an operator that feeds itself", model([node("Add", "x y")])
    yield "the same name twice", model([node("Identity"), node("Relu")])
    yield "a name that nothing makes", model([node("Add", "x nobody")])
    yield "an empty graph", model([])
    claims = convolution()
    claims.graph.initializer[0].dims[:] = [2**20, 2**20, 3, 3]
    yield "weights that claim to be huge", claims
    negative = convolution()
    negative.graph.initializer[0].dims[:] = [-3, 3, 3, 3]
    yield "weights of a negative size", negative
    short = convolution()
    short.graph.initializer[0].raw_data = b"\0" * 7
    yield "weights cut short", short
    kind = convolution()
    kind.graph.initializer[0].data_type = 999
    yield "weights of no known kind", kind
    yield "a kernel for four channels", convolution(np.zeros((3, 4, 3, 3), np.float32))
    wrong = convolution()
    wrong.graph.node[0].attribute[0].ints[:] = [10**12] * 4
    yield "endless padding", wrong
    yield "an attribute of the wrong kind", model([node("MaxPool", kernel_shape="two")])


def _no_models() -> Iterator[tuple[str, bytes]]:
    yield "empty", b""
    yield "a text", b"This is not a model.\n"
    yield "zeros", bytes(10_000)
    yield "a picture", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20
    yield "a zip", b"PK\x05\x06" + bytes(18)
    yield "a pickle", b"\x80\x04cos\nsystem\n(S'true'\ntR."
    yield "nested for ever", b"\x3a\xff\xff\xff\xff\x0f" * 1000
    whole = convolution(np.ones((3, 3, 3, 3), np.float32)).SerializeToString()
    for tenth in range(1, TENTHS):
        yield f"cut after {tenth} tenths", whole[: len(whole) * tenth // TENTHS]
