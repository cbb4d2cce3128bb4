"""all-MiniLM-L6-v2 with a multi-task head. The embeddings and the lower layers stay as published."""

import math

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

HIDDEN, HEADS, LAYERS, INNER = 384, 12, 6, 1536
EPS = 1e-12


class Layer(nn.Module):
    def __init__(self, hidden=HIDDEN, heads=HEADS, inner=INNER):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(hidden, hidden) for _ in range(4))
        self.norm1, self.norm2 = nn.LayerNorm(hidden, eps=EPS), nn.LayerNorm(hidden, eps=EPS)
        self.wide, self.narrow = nn.Linear(hidden, inner), nn.Linear(inner, hidden)

    def forward(self, x, bias, dropout=0.0):
        rows, length, hidden = x.shape
        split = lambda y: y.view(rows, length, self.heads, hidden // self.heads).transpose(1, 2)
        y = F.scaled_dot_product_attention(split(self.query(x)), split(self.key(x)), split(self.value(x)), attn_mask=bias)
        y = self.out(y.transpose(1, 2).reshape(rows, length, hidden))
        x = self.norm1(x + F.dropout(y, dropout, self.training))
        y = self.narrow(F.gelu(self.wide(x)))
        return self.norm2(x + F.dropout(y, dropout, self.training))

    NAMES = {
        "query": "attention.self.query", "key": "attention.self.key", "value": "attention.self.value", "out": "attention.output.dense",
        "norm1": "attention.output.LayerNorm", "norm2": "output.LayerNorm", "wide": "intermediate.dense", "narrow": "output.dense",
    }

    def read(self, tensors, number):
        self.load_state_dict({
            f"{ours}.{kind}": tensors[f"encoder.layer.{number}.{theirs}.{kind}"] for ours, theirs in self.NAMES.items() for kind in ("weight", "bias")
        })

    def named(self, number):
        """Parameters under the names of the original publication."""
        state = self.state_dict()
        return {f"encoder.layer.{number}.{theirs}.{kind}": state[f"{ours}.{kind}"] for ours, theirs in self.NAMES.items() for kind in ("weight", "bias")}


class Encoder(nn.Module):
    """Logits per label and per token. `frozen` layers, counted from the bottom, are not trained."""

    def __init__(self, base, labels, frozen):
        super().__init__()
        tensors = load_file(base)
        at = lambda name: tensors[f"embeddings.{name}"]
        self.register_buffer("words", at("word_embeddings.weight"), persistent=False)
        self.register_buffer("positions", at("position_embeddings.weight") + at("token_type_embeddings.weight")[0], persistent=False)
        self.register_buffer("scale", at("LayerNorm.weight"), persistent=False)
        self.register_buffer("shift", at("LayerNorm.bias"), persistent=False)
        self.frozen = frozen
        self.layers = nn.ModuleList([Layer() for _ in range(LAYERS)])
        for number, layer in enumerate(self.layers):
            layer.read(tensors, number)
            layer.requires_grad_(number >= frozen)
        self.dense = nn.Linear(2 * HIDDEN, HIDDEN)
        self.head = nn.Linear(HIDDEN, labels)
        self.token = nn.Linear(HIDDEN, 1)
        nn.init.zeros_(self.head.weight)

    def lower(self, ids):
        """What the frozen part makes of the ids, without gradients."""
        mask = ids != 0
        bias = mask[:, None, None, :]
        with torch.no_grad():
            x = F.layer_norm(self.words[ids] + self.positions[: ids.shape[1]], (HIDDEN,), self.scale, self.shift, EPS)
            for layer in self.layers[: self.frozen]:
                x = layer(x, bias)
        return x

    def upper(self, x, mask, dropout=0.0):
        bias = mask[:, None, None, :]
        for layer in self.layers[self.frozen :]:
            x = layer(x, bias, dropout)
        kept = mask[:, :, None]
        mean = (x * kept).sum(1) / kept.sum(1)
        most = x.masked_fill(~kept, -1e4).amax(1)
        pooled = F.gelu(self.dense(torch.cat([mean, most], 1)))
        return self.head(F.dropout(pooled, dropout, self.training)), self.token(x).squeeze(-1)

    def forward(self, ids, dropout=0.0):
        return self.upper(self.lower(ids), ids != 0, dropout)

    def trained(self):
        """What training changes: the upper layers and the heads."""
        out = {}
        for number in range(self.frozen, LAYERS):
            out.update(self.layers[number].named(number))
        for name in ("dense", "head", "token"):
            for kind in ("weight", "bias"):
                out[f"{name}.{kind}"] = getattr(getattr(self, name), kind)
        return {name: value.detach().clone().contiguous() for name, value in out.items()}

    def go_on(self, tensors):
        """Takes over layers and heads that were trained before; layers that were not stay as they are."""
        for number in range(LAYERS):
            if f"encoder.layer.{number}.output.dense.weight" in tensors:
                self.layers[number].read(tensors, number)
        for name in ("dense", "head"):
            getattr(self, name).load_state_dict({kind: tensors[f"{name}.{kind}"] for kind in ("weight", "bias")})

    def restore(self, tensors):
        for number in range(self.frozen, LAYERS):
            self.layers[number].read(tensors, number)
        for name in ("dense", "head", "token"):
            module = getattr(self, name)
            module.load_state_dict({kind: tensors[f"{name}.{kind}"] for kind in ("weight", "bias")})
