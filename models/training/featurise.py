"""Texts to weighted n-gram features, counted by the serving code itself (examples/export_features.rs)."""

import os
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy.sparse as sparse

ROOT = Path(__file__).resolve().parents[2]
# One step of the stored idf table. Training uses the rounded value, as serving does.
IDF_STEP = 1 / 16


class Settings(NamedTuple):
    """As `models::ngram::Settings`."""

    word_max: int
    char_min: int
    char_max: int
    word_bits: int
    char_bits: int

    @property
    def word_buckets(self):
        return 1 << self.word_bits

    @property
    def buckets(self):
        return self.word_buckets + (1 << self.char_bits)


def exporter(*arguments, texts):
    """Runs the example over `texts` and returns its output. `CHAPERONE_EXPORTER` names a built one."""
    built = os.environ.get("CHAPERONE_EXPORTER")
    command = [built] if built else ["cargo", "run", "--release", "--quiet", "-p", "models", "--example", "export_features", "--"]
    encoded = (text.encode() for text in texts)
    frames = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    command += [str(argument) for argument in arguments]
    return subprocess.run(command, input=frames, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout


def count(texts, settings):
    """Occurrences per text (row) and bucket (column)."""
    raw = np.frombuffer(exporter("counts", *settings, texts=texts), dtype="<u4")
    lengths, at = [], 0
    while at < len(raw):
        lengths.append(int(raw[at]))
        at += 1 + 2 * lengths[-1]
    lengths = np.array(lengths, dtype=np.int64)
    heads = np.concatenate([[0], np.cumsum(1 + 2 * lengths)[:-1]])
    body = np.ones(len(raw), dtype=bool)
    body[heads] = False
    pairs = raw[body].reshape(-1, 2)
    indptr = np.concatenate([[0], np.cumsum(lengths)])
    shape = (len(lengths), settings.buckets)
    return sparse.csr_matrix((pairs[:, 1].astype(np.float64), pairs[:, 0].astype(np.int32), indptr), shape=shape)


def idf_steps(counts):
    """The idf table as it is stored: ln((1 + n) / (1 + df)) + 1 in steps of IDF_STEP."""
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    value = np.log((1 + counts.shape[0]) / (1 + frequency)) + 1
    return np.minimum(np.round(value / IDF_STEP), 255).astype(np.uint8)


def weigh(counts, idf, settings, soften):
    """(1 + ln count) · idf, each block (words, characters) divided by √(soften + its sum of squares)."""
    out = counts.copy()
    out.data = (1 + np.log(counts.data)) * (idf[counts.indices] * IDF_STEP)
    rows = np.repeat(np.arange(out.shape[0]), np.diff(out.indptr))
    words = out.indices < settings.word_buckets
    norm = np.ones(out.nnz)
    for block, extra in zip((words, ~words), soften):
        squares = np.bincount(rows[block], out.data[block] ** 2, minlength=out.shape[0])
        norm[block] = np.sqrt(squares + extra)[rows[block]]
    out.data /= norm
    return out
