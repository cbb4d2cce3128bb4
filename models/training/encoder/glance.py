"""The small encoder of the cascade: two narrow layers over the word vectors of all-MiniLM-L6-v2, reduced to 128 dimensions. The
same token ids as the large one, the same labels, a fortieth of the work. Here is the network and its ONNX graph."""

import numpy as np
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper, save_model
from safetensors.torch import load_file
from torch import nn

from network import EPS, Layer

HIDDEN, HEADS, LAYERS, INNER = 128, 4, 2, 256
POSITIONS = 128


class Glance(nn.Module):
    """Logits per label."""

    def __init__(self, labels, base=None):
        super().__init__()
        words = torch.zeros(30522, HIDDEN) if base is None else reduced(base)
        self.words = nn.Embedding.from_pretrained(words, freeze=False)
        self.positions = nn.Parameter(torch.randn(POSITIONS, HIDDEN) * 0.02)
        self.norm = nn.LayerNorm(HIDDEN, eps=EPS)
        self.layers = nn.ModuleList([Layer(HIDDEN, HEADS, INNER) for _ in range(LAYERS)])
        self.dense, self.head = nn.Linear(2 * HIDDEN, HIDDEN), nn.Linear(HIDDEN, labels)

    def forward(self, ids, dropout=0.0):
        mask = ids != 0
        x = F.dropout(self.norm(self.words(ids) + self.positions[: ids.shape[1]]), dropout, self.training)
        for layer in self.layers:
            x = layer(x, mask[:, None, None, :], dropout)
        kept = mask[:, :, None]
        mean, most = (x * kept).sum(1) / kept.sum(1), x.masked_fill(~kept, -1e4).amax(1)
        return self.head(F.gelu(self.dense(torch.cat([mean, most], 1))))


def reduced(base):
    """The published word vectors along their principal axes."""
    words = load_file(base)["embeddings.word_embeddings.weight"].double()
    centred = words - words.mean(0)
    _, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    out = (centred @ axes[:, -HIDDEN:]).float()
    return out / out.std() * 0.5


def quantise(table):
    """A byte per number and a step per row, as in changes.py."""
    step = np.maximum(np.abs(table).max(1), 1e-12) / 127
    return np.rint(table / step[:, None]).astype(np.int8), step.astype(np.float32)


def rounded(weights):
    """Tensors of a checkpoint as the graph computes with them: calibration is fitted to these."""
    table, step = quantise(weights["words.weight"].numpy())
    return {**weights, "words.weight": torch.from_numpy(table.astype(np.float32) * step[:, None])}


def write(path, tensors):
    """The graph: word vectors as bytes, a step per word; the rest in fp32. Inputs and output as those of the large encoder."""
    weights = {name: value.numpy() for name, value in tensors.items()}
    hidden = weights["norm.weight"].shape[0]
    nodes, constants = [], {}

    def keep(name, values):
        constants[name] = values
        return name

    def node(kind, name, *inputs, **attributes):
        nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def linear(name, x, scale=1.0):
        product = node("MatMul", f"{name}.product", x, keep(f"{name}.weight", np.ascontiguousarray(weights[f"{name}.weight"].T) * np.float32(scale)))
        return node("Add", f"{name}.out", product, keep(f"{name}.bias", weights[f"{name}.bias"] * np.float32(scale)))

    def norm(name, x):
        return node("LayerNormalization", f"{name}.out", x, keep(f"{name}.weight", weights[f"{name}.weight"]), keep(f"{name}.bias", weights[f"{name}.bias"]), axis=-1, epsilon=EPS)

    table, step = quantise(weights["words.weight"])
    one, two = keep("one", np.array([1], dtype=np.int64)), keep("two", np.array([2], dtype=np.int64))
    words = node("Cast", "words.float", node("Gather", "words.bytes", keep("words", table), "input_ids"), to=TensorProto.FLOAT)
    step = node("Unsqueeze", "words.steps.wide", node("Gather", "words.steps.of", keep("words.steps", step), "input_ids"), two)
    words = node("Mul", "words.vectors", words, step)
    length = node("Gather", "length.here", node("Shape", "shape", "input_ids"), one)
    positions = node("Slice", "positions.here", keep("positions", weights["positions"]), keep("zero", np.array([0], dtype=np.int64)), length, keep("axis", np.array([0], dtype=np.int64)))
    x = norm("norm", node("Add", "embedded", words, positions))
    mask = node("Cast", "mask", "attention_mask", to=TensorProto.FLOAT)
    wide = node("Unsqueeze", "mask.wide", mask, keep("mask.axes", np.array([1, 2], dtype=np.int64)))
    bias = node("Mul", "mask.bias", node("Sub", "mask.inverted", wide, keep("unit", np.float32([1]))), keep("far", np.float32([1e9])))
    split, merged = keep("split", np.array([0, 0, HEADS, hidden // HEADS], dtype=np.int64)), keep("merged", np.array([0, 0, hidden], dtype=np.int64))
    for n in range(LAYERS):
        at = f"layers.{n}."
        heads = lambda name, order, scale=1.0: node("Transpose", f"{at}{name}.heads", node("Reshape", f"{at}{name}.split", linear(at + name, x, scale), split), perm=order)
        query, key, value = heads("query", [0, 2, 1, 3], (hidden // HEADS) ** -0.5), heads("key", [0, 2, 3, 1]), heads("value", [0, 2, 1, 3])
        scores = node("Add", f"{at}masked", node("MatMul", f"{at}scores", query, key), bias)
        context = node("MatMul", f"{at}context", node("Softmax", f"{at}attention", scores, axis=-1), value)
        context = node("Reshape", f"{at}merged", node("Transpose", f"{at}ordered", context, perm=[0, 2, 1, 3]), merged)
        x = norm(at + "norm1", node("Add", f"{at}residual1", linear(at + "out", context), x))
        y = linear(at + "narrow", node("Gelu", f"{at}gelu", linear(at + "wide", x)))
        x = norm(at + "norm2", node("Add", f"{at}residual2", y, x))
    kept = node("Unsqueeze", "kept", mask, two)
    masked = node("Mul", "states.kept", x, kept)
    mean = node("Div", "mean", node("ReduceSum", "sum", masked, one, keepdims=0), node("ReduceSum", "count", kept, one, keepdims=0))
    below = node("Mul", "padding", node("Sub", "padding.mask", kept, "unit"), keep("below", np.float32([1e4])))
    most = node("ReduceMax", "most", node("Add", "states.or.below", masked, below), one, keepdims=0)
    pooled = node("Gelu", "dense.gelu", linear("dense", node("Concat", "pooled", mean, most, axis=1)))
    node("Sigmoid", "probabilities", linear("head", pooled))

    labels = weights["head.bias"].shape[0]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in ("input_ids", "attention_mask")]
    outputs = [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", labels])]
    graph = helper.make_graph(nodes, "glance", inputs, outputs, [numpy_helper.from_array(np.ascontiguousarray(values), name) for name, values in constants.items()])
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10, producer_name="chaperone"), str(path))
