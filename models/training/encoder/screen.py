"""Trains `toxicity-screen`, the linear model in front of the encoder: the same labels, n-grams instead of context. See README.md."""

import argparse
import json
import random
import sys
from pathlib import Path

import numpy as np

import dataset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import weightfile  # noqa: E402
from featurise import Settings, count, idf_steps, weigh  # noqa: E402
from linearfit import fit, platt  # noqa: E402

SETTINGS = Settings(word_max=2, char_min=2, char_max=5, word_bits=17, char_bits=17)
SOFTEN = (600, 2500)
C = {"toxic": 6, "severe_toxic": 1.5, "obscene": 3, "threat": 5, "insult": 3, "identity_hate": 2.5, "hate": 4, "sexism": 4, "profanity": 6, "spam": 20, "sentiment": 4}


def training(archive, seed=7):
    """As for the encoder, but all of it: n-grams are cheap."""
    rng = random.Random(seed)
    words, corpus = dataset.swear_words(), dataset.Corpus()
    dataset.add_jigsaw(corpus, "train", words)
    dataset.add_edos(corpus, "train", words)
    dataset.add_hatemoji(corpus, "train", words)
    dataset.add_functional(corpus, 12, seed, heldout=False)
    dataset.add_identity(corpus, False, 2500, rng)
    dataset.add_spam(corpus, words, heldout=False)
    dataset.add_sentiment(corpus, archive, heldout=False)
    dataset.add_obfuscated(corpus, words, rng)
    return corpus


def tuning(archive):
    """The dev sets, whole, and what was held out of the training sources."""
    rng = random.Random(3)
    words, corpus = dataset.swear_words(), dataset.Corpus()
    dataset.add_jigsaw(corpus, "dev", words)
    dataset.add_edos(corpus, "dev", words)
    dataset.add_hatemoji(corpus, "dev", words)
    dataset.add_functional(corpus, 6, 2, heldout=True)
    dataset.add_identity(corpus, True, 1200, rng)
    dataset.add_spam(corpus, words, heldout=True)
    dataset.add_sentiment(corpus, archive, heldout=True)
    return corpus


def binary(marks):
    """Ratings near the middle say nothing about the side."""
    out = np.array(marks, dtype=float)
    rated = out[:, dataset.LABELS.index("sentiment")]
    rated[np.abs(rated - 0.5) < 0.06] = np.nan
    known = ~np.isnan(rated)
    rated[known] = rated[known] > 0.5
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ratings", type=Path, required=True, help="vaderSentiment-3.3.2.tar.gz")
    parser.add_argument("--out", type=Path, default=dataset.ROOT / "models/repository/toxicity-screen/weights.bin")
    arguments = parser.parse_args()
    corpus, dev = training(arguments.ratings), tuning(arguments.ratings)
    marks, truth = binary(corpus.marks), binary(dev.marks)
    counts = count([dataset.fold(text) for text in corpus.texts], SETTINGS)
    idf = idf_steps(counts)
    features = weigh(counts, idf, SETTINGS, SOFTEN)
    seen = weigh(count([dataset.fold(text) for text in dev.texts], SETTINGS), idf, SETTINGS, SOFTEN)
    weights, biases = [], []
    for column, label in enumerate(dataset.LABELS):
        row, bias = fit(features, marks[:, column], C[label])
        known = ~np.isnan(truth[:, column])
        slope, shift = platt(seen[known] @ row + bias, truth[known, column])
        weights.append(row * slope)
        biases.append(bias * slope + shift)
        print(label, flush=True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    weightfile.write(arguments.out, SETTINGS, SOFTEN, dataset.LABELS, idf, weights, biases)
    print(json.dumps({"rows": len(corpus), "bytes": arguments.out.stat().st_size}))


if __name__ == "__main__":
    main()
