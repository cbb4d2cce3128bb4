"""Trains `toxicity` or `spam`, calibrates it, writes its weight file and a report. See README.md."""

import argparse
import json
from pathlib import Path

import numpy as np
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_auc_score

import corpora
import weightfile
from featurise import ROOT, Settings, count, exporter, idf_steps, weigh
from linearfit import SEED, fit, platt

FOLDS = 4
RECIPES = {
    # C by label, chosen by cross-validation on train + dev (README.md has the table).
    "toxicity": {
        "settings": Settings(word_max=2, char_min=2, char_max=5, word_bits=17, char_bits=18),
        "soften": (600, 2500),
        "c": {"toxic": 6, "severe_toxic": 1.5, "obscene": 3, "threat": 5, "insult": 3, "identity_hate": 2.5},
        "precision": 0.9,
    },
    "spam": {
        "settings": Settings(word_max=2, char_min=2, char_max=5, word_bits=15, char_bits=17),
        "soften": (200, 800),
        "c": {"spam": 20},
        "precision": 0.95,
    },
}


def folds_of(groups):
    """A fold per row; rows of one group share it. The largest groups are dealt first, each to the emptiest fold, so that no
    two YouTube videos meet in one."""
    names, sizes = np.unique(groups, return_counts=True)
    order = np.random.RandomState(SEED).permutation(len(names))
    of, filled = {}, [0] * FOLDS
    for index in sorted(order, key=lambda index: -sizes[index]):
        fold = filled.index(min(filled))
        of[names[index]] = fold
        filled[fold] += int(sizes[index])
    return np.array([of[group] for group in groups])


def out_of_fold(counts, marks, folds, recipe, labels):
    """Logits of every row from a model that has not seen it."""
    logits = np.zeros(marks.shape)
    for fold in range(folds.max() + 1):
        seen = folds != fold
        features = weigh(counts, idf_steps(counts[seen]), recipe["settings"], recipe["soften"])
        for column, label in enumerate(labels):
            weights, bias = fit(features[seen], marks[seen, column], recipe["c"][label])
            logits[~seen, column] = features[~seen] @ weights + bias
    return logits


def cut_for(probability, marks, precision):
    """Lowest cut (two digits) from which on precision holds, with its precision and recall; None when none does."""
    precisions, recalls, cuts = precision_recall_curve(marks, probability)
    below = np.flatnonzero(precisions[:-1] < precision)
    first = below[-1] + 1 if len(below) else 0
    if first >= len(cuts):
        return None
    cut = min(np.ceil(cuts[first] * 100) / 100, 0.99)
    kept = probability >= cut
    if not kept.any():
        return None
    return {"cut": round(float(cut), 2), "precision": round(float(marks[kept].mean()), 3), "recall": round(float(kept[marks].mean()), 3)}


def logistic(logits):
    return 1 / (1 + np.exp(-logits))


def calibration_error(probability, marks, bins=15):
    """Expected calibration error, equal-width bins: Σ n_b / n · |mean probability − mean mark|."""
    which = np.minimum((probability * bins).astype(int), bins - 1)
    parts = [(which == b) for b in range(bins)]
    return float(sum(part.mean() * abs(probability[part].mean() - marks[part].mean()) for part in parts if part.any()))


def measure(probability, marks, natural, labels):
    out = {}
    for column, label in enumerate(labels):
        p, m = probability[:, column], marks[:, column]
        out[label] = {
            "positives": int(m.sum()),
            "auc": round(float(roc_auc_score(m, p)), 4),
            "auc_natural": round(float(roc_auc_score(m[natural], p[natural])), 4),
            "ap_natural": round(float(average_precision_score(m[natural], p[natural])), 4),
            "f1_at_0.5_natural": round(float(f1_score(m[natural], p[natural] >= 0.5)), 4),
            "ece_natural": round(calibration_error(p[natural], m[natural]), 4),
        }
    for figure in ("auc", "auc_natural", "ap_natural"):
        out["mean_" + figure] = round(float(np.mean([out[label][figure] for label in labels])), 4)
    return out


def by_source(probability, marks, sources):
    """ROC-AUC of the first label within each source: a figure over all of them would also reward telling sources apart."""
    rows = {source: sources == source for source in sorted(set(sources))}
    return {source: round(float(roc_auc_score(marks[row, 0], probability[row, 0])), 4) for source, row in rows.items()}


def served(weights_path, texts, labels):
    """Probabilities from the serving code, so that every final figure is the served one."""
    return np.frombuffer(exporter("score", weights_path, texts=texts), dtype="<f4").reshape(-1, labels).astype(float)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", choices=sorted(RECIPES))
    parser.add_argument("--out", type=Path, help="weight file (default: the one in models/repository)")
    arguments = parser.parse_args()
    recipe = RECIPES[arguments.model]
    settings = recipe["settings"]
    if arguments.model == "toxicity":
        corpus = corpora.toxicity("train", "dev")
        corpora.add_everyday(corpus)
    else:
        corpus = corpora.spam()
    labels, marks, natural = corpus.labels, corpus.marks, corpus.natural

    counts = count(corpus.texts, settings)
    logits = out_of_fold(counts, marks, folds_of(corpus.groups), recipe, labels)
    # Prevalence is real in the natural rows only, so calibration, figures and cuts come from these.
    truth = marks[natural].astype(bool)
    lines = [platt(logits[natural, n], truth[:, n]) for n in range(len(labels))]
    probability = logistic(logits[natural] * [line[0] for line in lines] + [line[1] for line in lines])
    report = {"cross_validation": measure(probability, truth, np.ones(len(truth), dtype=bool), labels)}
    report["cross_validation"]["by_source"] = by_source(probability, truth, np.array(corpus.sources)[natural])
    report["cuts"] = {label: cut_for(probability[:, n], truth[:, n], recipe["precision"]) for n, label in enumerate(labels)}

    idf = idf_steps(counts)
    features = weigh(counts, idf, settings, recipe["soften"])
    weights, bias = [], []
    for column, label in enumerate(labels):
        row, offset = fit(features, marks[:, column], recipe["c"][label])
        slope, shift = lines[column]
        weights.append(row * slope)
        bias.append(offset * slope + shift)
    path = (arguments.out or ROOT / "models" / "repository" / arguments.model / "weights.bin").resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    weightfile.write(path, settings, recipe["soften"], labels, idf, weights, bias)

    # No skew: what is served equals what was trained, up to the rounding of the weights.
    sample = slice(0, 4000)
    offline = logistic(np.stack([features[sample] @ row for row in weights], axis=1) + bias)
    online = served(path, corpus.texts[sample], len(labels))
    report["largest_difference_offline_served"] = round(float(np.abs(offline - online).max()), 4)
    everyday = (Path(__file__).parent / "everyday.txt").read_text(encoding="utf-8").splitlines()
    worst = sorted(zip(served(path, everyday, len(labels)).max(axis=1).round(3).tolist(), everyday), reverse=True)[:12]
    report["everyday_lines_highest"] = worst
    if arguments.model == "toxicity":
        test = corpora.toxicity("test")
        report["jigsaw_test"] = measure(
            served(path, test.texts, len(labels)), test.marks.astype(bool), test.natural, labels
        )
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (Path(__file__).parent / f"report-{arguments.model}.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
