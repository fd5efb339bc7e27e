"""A network -> the graph that TensorBoard draws, in the names of checks/EQUATIONS.md.

Written by hand: tracing the module would draw the same boxes under PyTorch's names, with a
deprecation warning, and would take longer than training the smallest networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tensorboard.compat.proto.attr_value_pb2 import AttrValue
from tensorboard.compat.proto.graph_pb2 import GraphDef
from tensorboard.compat.proto.node_def_pb2 import NodeDef
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.versions_pb2 import VersionDef

N = -1  # the batch: any number of samples


def graph_of(
    sizes: Sequence[int], output: str, cost: str, activations: Sequence[str] | None = None
) -> Any:
    """Forward pass and loss, a box a layer.

    Args:
        sizes: units of the input and of each layer.
        output, cost: the head.
        activations: of each hidden layer, by name; sigmoid if None.
    Returns: a GraphDef.
    """
    nodes = [_node("x", "input", [], (N, sizes[0]))]
    below = "x"
    last = len(sizes) - 1
    names = activations or ["sigmoid"] * (last - 1)
    for layer in range(1, last + 1):
        box = f"layer_{layer}"
        z = f"{box}/z_{layer}"
        wide = (N, sizes[layer])
        nodes += [
            _node(f"{box}/W_{layer}", "parameter", [], (sizes[layer], sizes[layer - 1])),
            _node(f"{box}/b_{layer}", "parameter", [], (sizes[layer],)),
            _node(
                z, "linear: a @ W.T + b (F1)", [below, f"{box}/W_{layer}", f"{box}/b_{layer}"], wide
            ),
        ]
        below = z if layer == last else f"{box}/a_{layer}"
        nodes += [_node(below, f"{names[layer - 1]} (F2)", [z], wide)] if layer < last else []
    nodes += [
        _node("output/p", f"{output} (F3)", [below], (N, sizes[-1])),
        _node("y", "labels", [], (N,)),
        _node("cost/loss", f"{cost}, mean over the batch (F4)", ["output/p", "y"], ()),
    ]
    # 22: before that number, edges meant something else
    return GraphDef(node=nodes, versions=VersionDef(producer=22))


def _node(name: str, operation: str, inputs: Sequence[str], shape: Sequence[int]) -> Any:
    sizes = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in shape])
    attributes = {"_output_shapes": AttrValue(list=AttrValue.ListValue(shape=[sizes]))}
    return NodeDef(name=name, op=operation, input=inputs, attr=attributes)
