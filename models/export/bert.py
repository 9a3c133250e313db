"""Writes a BERT encoder as an ONNX graph whose matrices are quantized in blocks.

The graph uses ONNX Runtime's fused operators (MultiHeadAttention, SkipLayerNormalization, BiasGelu,
MatMulNBits), so nothing is left for the graph optimizer and a session opens in milliseconds.
Its tensors are those of deskhand.models.layout, inside the file or by reference to a second file.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from onnx import ModelProto, TensorProto, helper  # type: ignore[import-not-found,unused-ignore]

from deskhand.models.layout import BLOCK, EncoderSize

# Microsoft's operator set; ONNX Runtime's CPU provider has it built in.
_MS = "com.microsoft"


class Weights(Protocol):
    """Where the tensors of a graph come from."""

    def tensor(self, name: str) -> Any:
        """The ONNX tensor of that name."""
        ...


class _Graph:
    """Collects nodes and tensors; node and output share their name."""

    def __init__(self, weights: Weights, epsilon: float) -> None:
        self.weights = weights
        self.epsilon = epsilon
        self.nodes: list[Any] = []
        self.tensors: dict[str, Any] = {}

    def weight(self, name: str) -> str:
        self.tensors[name] = self.weights.tensor(name)
        return name

    def constant(self, name: str, values: list[int]) -> str:
        self.tensors[name] = helper.make_tensor(name, TensorProto.INT64, [len(values)], values)
        return name

    def add(
        self, op: str, inputs: Sequence[str], output: str | list[str], **attributes: Any
    ) -> None:
        outputs = [output] if isinstance(output, str) else output
        domain = attributes.pop("domain", "")
        self.nodes.append(
            helper.make_node(
                op, inputs, outputs, name=f"{op}:{outputs[0]}", domain=domain, **attributes
            )
        )


def build_bert(size: EncoderSize, weights: Weights, epsilon: float) -> ModelProto:
    """The encoder as an ONNX model.

    Its inputs are `input_ids` and `attention_mask`, int64, [batch, tokens]; its output is
    `last_hidden_state`, float32, [batch, tokens, hidden].

    Args:
        size: Sizes of the encoder.
        weights: Its tensors.
        epsilon: Of the layer norms.
    """
    graph = _Graph(weights, epsilon)
    _embed(graph)
    graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.INT32)
    x = "embedded"
    for layer in range(size.layers):
        last = layer == size.layers - 1
        x = _layer(graph, size, layer, x, "last_hidden_state" if last else f"{layer}.output")
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    )
    output = helper.make_tensor_value_info(
        "last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", size.hidden]
    )
    return helper.make_model(
        helper.make_graph(graph.nodes, "bert", [ids, mask], [output], list(graph.tensors.values())),
        opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(_MS, 1)],
        ir_version=10,
        producer_name="deskhand",
    )


def _embed(graph: _Graph) -> None:
    graph.add("Gather", [graph.weight("word"), "input_ids"], "word_integers")
    graph.add("Cast", ["word_integers"], "word_floats", to=TensorProto.FLOAT)
    graph.add("Gather", [graph.weight("word.scale"), "input_ids"], "word_scales")
    graph.add("Mul", ["word_floats", "word_scales"], "words")
    graph.add("Shape", ["input_ids"], "length", start=1, end=2)
    zero = graph.constant("zero", [0])
    graph.add("Slice", [graph.weight("positions"), zero, "length", zero], "places")
    graph.add("Add", ["words", "places"], "placed")
    graph.add(
        "LayerNormalization",
        ["placed", graph.weight("norm.weight"), graph.weight("norm.bias")],
        "embedded",
        epsilon=graph.epsilon,
    )


def _layer(graph: _Graph, size: EncoderSize, n: int, x: str, output: str) -> str:
    _linear(graph, f"{n}.qkv", x, size.hidden, 3 * size.hidden)
    graph.add("Add", [f"{n}.qkv.product", graph.weight(f"{n}.qkv.bias")], f"{n}.qkv.sum")
    parts = [f"{n}.query", f"{n}.key", f"{n}.value"]
    graph.add("Split", [f"{n}.qkv.sum"], parts, axis=-1, num_outputs=3)
    graph.add(
        "MultiHeadAttention",
        [*parts, "", "mask"],
        f"{n}.attended",
        domain=_MS,
        num_heads=size.heads,
    )
    _linear(graph, f"{n}.attention", f"{n}.attended", size.hidden, size.hidden)
    middle = _norm(graph, f"{n}.norm1", x, f"{n}.attention", f"{n}.middle")
    _linear(graph, f"{n}.up", middle, size.hidden, size.feed_forward)
    bias = graph.weight(f"{n}.up.bias")
    graph.add("BiasGelu", [f"{n}.up.product", bias], f"{n}.active", domain=_MS)
    _linear(graph, f"{n}.down", f"{n}.active", size.feed_forward, size.hidden)
    return _norm(graph, f"{n}.norm2", middle, f"{n}.down", output)


def _linear(graph: _Graph, name: str, x: str, width: int, outputs: int) -> None:
    # accuracy_level 4: activations become int8 in the same blocks, row by row, so the vector of a
    # text does not depend on what else is in its batch.
    graph.add(
        "MatMulNBits",
        [x, graph.weight(name), graph.weight(f"{name}.scale")],
        f"{name}.product",
        domain=_MS,
        K=width,
        N=outputs,
        bits=8,
        block_size=BLOCK,
        accuracy_level=4,
    )


def _norm(graph: _Graph, name: str, x: str, linear: str, output: str) -> str:
    graph.add(
        "SkipLayerNormalization",
        [
            x,
            f"{linear}.product",
            graph.weight(f"{name}.weight"),
            graph.weight(f"{name}.bias"),
            graph.weight(f"{linear}.bias"),
        ],
        output,
        domain=_MS,
        epsilon=graph.epsilon,
    )
    return output
