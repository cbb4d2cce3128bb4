"""Writes what models/src/linear/format.rs reads."""

import struct

import numpy as np

from featurise import IDF_STEP

FORMAT_VERSION = 1


def quantise(weights):
    """Steps (i8) and scale of one label: weight = sign(q) · (q / 127)² · scale."""
    scale = float(np.abs(weights).max())
    steps = np.sign(weights) * np.round(127 * np.sqrt(np.abs(weights) / scale))
    return steps.astype(np.int8), np.float32(scale)


def write(path, settings, soften, labels, idf, weights, bias):
    """`weights`: one row per label; `bias`: one per label. Calibration must be folded into both."""
    steps, scales = zip(*(quantise(row) for row in weights))
    with open(path, "wb") as out:
        out.write(b"CHAPLIN\0" + struct.pack("<H6B3f", FORMAT_VERSION, *settings, len(labels), IDF_STEP, *soften))
        for label in labels:
            name = label.encode()
            out.write(struct.pack("<B", len(name)) + name)
        for offset, scale in zip(bias, scales):
            out.write(struct.pack("<ff", offset, scale))
        out.write(idf.tobytes())
        out.write(np.ascontiguousarray(np.stack(steps, axis=1)).tobytes())
