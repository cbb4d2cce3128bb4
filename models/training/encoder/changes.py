"""Trained weights as small changes of the published ones: what models/src/convert/changes.rs reads."""

import torch
from safetensors.torch import load_file, save_file


def pack(trained, base):
    """Differences of matrices as bytes with a step per row; vectors and heads as they are."""
    published, out = load_file(base), {}
    for name, value in trained.items():
        if name.startswith("token."):
            continue
        if name not in published or value.dim() == 1:
            out[name] = value
            continue
        difference = value - published[name]
        step = difference.abs().amax(1).clamp_min(1e-12) / 127
        out[name] = torch.round(difference / step[:, None]).to(torch.int8)
        out[f"{name}.step"] = step
    return out


def unpack(packed, base):
    """The weights as the converter puts them together."""
    published, out = load_file(base), {}
    for name, value in packed.items():
        if name.endswith(".step"):
            continue
        out[name] = published[name] + packed[f"{name}.step"][:, None] * value.float() if value.dtype == torch.int8 else value
    return out


def write(trained, base, path):
    packed = pack(trained, base)
    save_file({name: value.contiguous() for name, value in packed.items()}, path)
    return unpack(packed, base)
