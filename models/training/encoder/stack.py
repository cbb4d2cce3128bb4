"""From a checkpoint to the model: packs the weights, stacks both models' logits, fits calibration and cuts on the dev sets, and
writes `changes.safetensors`, the `[cascade]` part of `model.toml`, and a report. Test sets are not read. See README.md."""

import argparse
import hashlib
import json
import re
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from tokenizers import Tokenizer

import changes
import dataset
import screen
import fine_tune
from fine_tune import tokenise
from network import Encoder

HERE = Path(__file__).resolve().parent
REPOSITORY = dataset.ROOT / "models" / "repository"
# Logits are pulled towards these where a label has few positives.
PRIOR = np.array([0.7, 0.4])
PULL = 30.0
MISSED = 0.005
# What screening may cost of the mean ROC-AUC is 0.001; on texts that chose nothing it came out a quarter higher than here.
LOST = 0.0008
PRECISION = 0.9


def logit(p):
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(p / (1 - p))


def logistic(x):
    return 1 / (1 + np.exp(-x))


def fit(own, first, target, weight):
    """encoder, first, offset: weighted logistic loss, the first two pulled towards PRIOR."""
    x = np.stack([own, first, np.ones(len(own))], 1)

    def loss(w):
        z = x @ w
        pull = w[:2] - PRIOR
        value = (weight * (np.logaddexp(0, z) - target * z)).sum() + PULL / 2 * pull @ pull
        return value, x.T @ (weight * (logistic(z) - target)) + np.array([*(PULL * pull), 0])

    found = minimize(loss, np.array([*PRIOR, 0.0]), jac=True, bounds=[(0, None), (0, None), (None, None)])
    return found.x


def rows_for(label, sources):
    """The dev rows that a label is calibrated on: natural ones where there are any. The functional suite is none of them."""
    of = lambda *names: np.array([source.startswith(names) for source in sources])
    if label in dataset.JIGSAW:
        return of("jigsaw")
    return {
        "hate": of("jigsaw", "edos", "hatemoji"), "sexism": of("edos"), "profanity": of("jigsaw", "edos"),
        "spam": of("sms", "youtube", "smishing"), "sentiment": of("rated"),
    }[label]


def weights_for(label, sources):
    """`hate` is rare in Wikipedia comments and common elsewhere; no source may drown the others."""
    weight = np.ones(len(sources))
    if label == "hate":
        weight[[source.startswith("jigsaw") for source in sources]] = 0.25
    return weight


def cuts(scores, positive, traffic, start, share_missed):
    """Per-label cuts of the first model that let as little of `traffic` through as possible while at most MISSED of the
    positives stay below all of them. Coordinate descent over a grid; the start lets everything through."""
    grid = np.exp(np.linspace(np.log(1e-4), np.log(0.5), 60))
    chosen = dict(start)
    passed = lambda cut, rows: np.any(np.stack([scores[rows, n] >= c for n, c in cut.items()]), axis=0)
    allowed = int(share_missed * positive.sum())
    share = passed(chosen, traffic).mean()
    for _ in range(4):
        for label in chosen:
            for cut in grid:
                tried = {**chosen, label: cut}
                if (~passed(tried, positive)).sum() <= allowed:
                    s = passed(tried, traffic).mean()
                    if s < share - 1e-9:
                        chosen, share = tried, s
    return chosen, share, int((~passed(chosen, positive)).sum())


def common_cut(scores, labels, positive, share_missed):
    """The highest cut, the same for all labels, that misses few enough positives: where the descent starts."""
    top = np.sort(scores[positive][:, labels].max(1))
    return float(np.nextafter(top[int(share_missed * len(top))], 0))


def error(p, y, bins=15):
    which = np.minimum((p * bins).astype(int), bins - 1)
    return float(sum(abs((p[which == b] - y[which == b]).sum()) for b in range(bins)) / len(p))


def cut_for(p, y, precision):
    order = np.argsort(-p)
    hits = np.cumsum(y[order])
    precisions = hits / np.arange(1, len(p) + 1)
    enough = np.flatnonzero(precisions >= precision)
    if not len(enough) or hits[enough[-1]] < 5:
        return None
    at = enough[-1]
    return {"cut": round(float(p[order[at]]), 2), "precision": round(float(precisions[at]), 3), "recall": round(float(hits[at] / y.sum()), 3)}


FITTED = "# From here on written by models/training/encoder/stack.py, fitted on the dev sets."


def write_spec(path, lines, weights):
    """Puts the fitted numbers and the digest of the weights into `model.toml`. The digest of `model.onnx` is the converter's."""
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    kept = path.read_text().split(FITTED)[0]
    kept = re.sub(r'(path = "changes.safetensors"\nsha256 = ")[0-9a-f]+', rf"\g<1>{digest}", kept)
    path.write_text(kept + FITTED + "\n" + "\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--ratings", type=Path, required=True)
    parser.add_argument("--frozen", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--model", type=Path, default=REPOSITORY / "toxicity-minilm")
    parser.add_argument("--cache", type=Path, help="keeps the encoder's logits between calls")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    labels = dataset.LABELS
    base = arguments.base / "model.safetensors"
    arguments.model.mkdir(parents=True, exist_ok=True)
    weights = changes.write(load_file(arguments.checkpoint), base, arguments.model / "changes.safetensors")

    dev = screen.tuning(arguments.ratings)
    sources, marks = np.array(dev.sources), np.array(dev.marks)
    if arguments.cache and arguments.cache.exists():
        own = np.load(arguments.cache)
    else:
        own = encode(weights, dev.texts, arguments)
        if arguments.cache:
            np.save(arguments.cache, own)
    from featurise import exporter
    folded = [dataset.fold(text) for text in dev.texts]
    first = np.frombuffer(exporter("score", REPOSITORY / "toxicity-screen" / "weights.bin", texts=folded), dtype="<f4").reshape(-1, len(labels)).astype(float)

    stack, final = {}, np.zeros_like(own)
    for n, label in enumerate(labels):
        rows = rows_for(label, sources) & ~np.isnan(marks[:, n])
        a, b, c = fit(own[rows, n], logit(first[rows, n]), marks[rows, n], weights_for(label, sources)[rows])
        stack[label] = {"encoder": round(float(a), 4), "first": round(float(b), 4), "offset": round(float(c), 4), "slope": 1.0, "shift": 0.0}
        final[:, n] = logistic(a * own[:, n] + b * logit(first[:, n]) + c)

    # What counts as missed: any offence of any dev row, whatever its source.
    offences = [labels.index(label) for label in labels[:8]]
    known = np.nan_to_num(marks[:, offences]).max(1) == 1
    positive = known & ~np.char.startswith(sources, "functional")
    traffic = np.char.startswith(sources, "jigsaw") | (sources == "sms")
    jigsaw = np.char.startswith(sources, "jigsaw")
    mean_auc = lambda values: np.mean([roc_auc_score(marks[jigsaw, n], values[jigsaw, n]) for n in range(6)])
    # Screening is made stricter until it costs little enough of the ranking too.
    for missed_share in (MISSED, 0.004, 0.003, 0.002, 0.0015, 0.001, 0.0005, 0.0):
        common = common_cut(first, offences, positive, missed_share)
        chosen, share, missed = cuts(first, positive, traffic, {n: common for n in offences}, missed_share)
        passed = np.any(np.stack([first[:, n] >= cut for n, cut in chosen.items()]), axis=0)
        alone = first.copy()
        for n, label in enumerate(labels):
            rows = rows_for(label, sources) & ~np.isnan(marks[:, n]) & ~passed
            shift = 0.0
            if label != "sentiment" and rows.sum() > 200:
                # Among what is answered alone an offence is rarer than the first model thinks.
                expected, found = alone[rows, n].sum(), marks[rows, n].sum()
                shift = float(np.log((found + 0.5) / (expected + 0.5)))
            stack[label]["shift"] = round(min(shift, 0.0), 4)
            alone[:, n] = logistic(logit(first[:, n]) + stack[label]["shift"])
        served = np.where(passed[:, None], final, alone)
        lost = mean_auc(final) - mean_auc(served)
        print(f"missed at most {missed_share}: {1 - share:.3f} answered alone, {missed} missed, mean ROC-AUC lost {lost:.5f}", flush=True)
        if lost <= LOST:
            break

    # What both models together could answer alone at the same share of misses: the labels themselves bound what any first stage can do.
    common = common_cut(final, offences, positive, MISSED)
    known, _, _ = cuts(final, positive, traffic, {n: common for n in offences}, MISSED)
    bound = np.all(np.stack([final[traffic, n] < cut for n, cut in known.items()]), axis=0).mean()
    report = {"dev": {}, "screen": {"answered_alone": round(1 - float(share), 4), "both_models_could": round(float(bound), 4), "mean_roc_auc_lost": round(float(lost), 5), "missed": missed, "positives": int(positive.sum())}}
    for n, label in enumerate(labels):
        rows = rows_for(label, sources) & ~np.isnan(marks[:, n])
        y, out = marks[rows, n], {}
        if label == "sentiment":
            out = {"pearson_encoder": np.corrcoef(own[rows, n], y)[0, 1], "pearson_first": np.corrcoef(logit(first[rows, n]), y)[0, 1], "pearson": np.corrcoef(final[rows, n], y)[0, 1]}
        else:
            y = y == 1
            for name, values in (("encoder", own), ("first", first), ("stacked", final), ("served", served)):
                out[f"auc_{name}"] = roc_auc_score(y, values[rows, n])
            out["ap"] = average_precision_score(y, served[rows, n])
            out["f1"] = f1_score(y, served[rows, n] >= 0.5)
            out["macro_f1"] = f1_score(y, served[rows, n] >= 0.5, average="macro")
            out["ece"] = error(served[rows, n], y)
            out["cut"] = cut_for(served[rows, n], y, PRECISION)
        report["dev"][label] = {k: round(float(v), 4) if isinstance(v, (float, np.floating)) else v for k, v in out.items()}
    for name in ("first", "encoder", "stacked", "served"):
        report[f"jigsaw_mean_auc_{name}"] = round(float(np.mean([report["dev"][label][f"auc_{name}"] for label in dataset.JIGSAW])), 4)
    report["jigsaw_mean_ap"] = round(float(np.mean([report["dev"][label]["ap"] for label in dataset.JIGSAW])), 4)
    functional, h = np.char.startswith(sources, "functional"), labels.index("hate")
    report["functional"] = {}
    for part, values in (("encoder", logistic(own)), ("stacked", final), ("served", served)):
        said = values[:, h] >= 0.5
        by = {name[11:]: round(float((said == (marks[:, h] == 1))[sources == name].mean()), 3) for name in sorted(set(sources[functional]))}
        hateful = marks[:, h] == 1
        report["functional"][part] = {"hateful": round(float(said[functional & hateful].mean()), 3), "not_hateful": round(float((~said)[functional & ~hateful].mean()), 3), "by": by if part == "served" else None}
    report["functional_second"] = second_suite(weights, stack, arguments)
    hatemoji = np.char.startswith(sources, "hatemoji")
    report["hatemoji_dev_auc"] = {name: round(float(roc_auc_score(marks[hatemoji, h], values[hatemoji, h])), 4) for name, values in (("first", first), ("encoder", own), ("served", served))}
    identity = sources == "identity"
    report["identity_auc"] = round(float(roc_auc_score(marks[identity, 0], served[identity, 0])), 4)

    lines = ["[cascade]", 'first = "toxicity-screen"', ""]
    lines += ["[cascade.screen]"] + [f"{labels[n]} = {cut:.5f}" for n, cut in chosen.items()] + [""]
    for label, values in stack.items():
        lines += [f"[cascade.stack.{label}]"] + [f"{name} = {value}" for name, value in values.items()] + [""]
    write_golden(dataset.ROOT / "models/tests/golden/toxicity-minilm.json", weights, stack, arguments)
    write_spec(arguments.model / "model.toml", lines, arguments.model / "changes.safetensors")
    text = json.dumps(report, indent=1)
    (HERE / "report-encoder.json").write_text(text + "\n")
    print(text)


def second_suite(weights, stack, arguments):
    """Share of `hate` at 0.5 that is right, on held-out frames over held-out fillers of `cases.py`. They choose nothing."""
    from featurise import exporter
    held, h = dataset.Corpus(), dataset.LABELS.index("hate")
    dataset.add_cases(held, 5, heldout=True)
    own = encode(weights, held.texts, arguments)[:, h]
    first = np.frombuffer(exporter("score", REPOSITORY / "toxicity-screen" / "weights.bin", texts=[dataset.fold(text) for text in held.texts]), dtype="<f4").reshape(-1, len(dataset.LABELS))[:, h]
    by = stack["hate"]
    said = by["encoder"] * own + by["first"] * logit(first.astype(float)) + by["offset"] >= 0
    hateful, sources = np.array(held.marks)[:, h] == 1, np.array(held.sources)
    right = said == hateful
    return {"hateful": round(float(right[hateful].mean()), 3), "not_hateful": round(float(right[~hateful].mean()), 3), "by": {name[11:]: round(float(right[sources == name].mean()), 3) for name in sorted(set(held.sources))}}


# Written for this file; both kinds of answers, lengths, cases, emoji, folding.
GOLDEN = [
    "ok", "?", "hi, how are you?", "See you at the station at half past seven.", "HELLO THERE", "this movie was so bad",
    "I hate paying taxes", "I hate this phone, it is garbage", "you are an idiot", "shut up, nobody asked you", "You're so kind, thank you!",
    "I will find you and break your legs", "my best friend is gay and so am I", "Muslims are welcome in our street",
    "All refugees are criminals and should be thrown out", "It is wrong to say that women belong in the kitchen", "women belong in the kitchen",
    "what the hell is going on", "this is damn good", "WINNER!! Claim your free prize now, text WIN to 80082", "check out my channel and subscribe",
    "I love my new job", "worst day of my life", "The committee will meet on Tuesday to discuss the budget.", "you are a \U0001f437",
    "I love \u2764\ufe0f you \U0001f600\U0001f600", "\U0001f468\U0001f3ff are the best", "caf\u00e9 na\u00efve d\u00e9j\u00e0 vu", "y o u  i d i o t", "1d10t", "stupid.stupid.stupid",
    "lol that joke killed me", "kill the process with signal nine", "\u4f60\u597d", "a" * 200, "long " * 150,
    "The ferry left the harbour a little after six, when the fog had thinned enough for the lighthouse to show, and the passengers who had slept on the benches woke one by one.",
    "He said \"I hate you\" and left", "nobody should call anyone that", "Old people are the wisest of us",
]


def write_golden(path, weights, stack, arguments):
    """What serving must give: stacked scores, screening off."""
    from featurise import exporter
    labels = dataset.LABELS
    texts = [text.strip() for text in GOLDEN]
    own = encode(weights, texts, arguments)
    first = np.frombuffer(exporter("score", REPOSITORY / "toxicity-screen" / "weights.bin", texts=texts), dtype="<f4").reshape(-1, len(labels)).astype(float)
    tokenizer = Tokenizer.from_file(str(arguments.base / "tokenizer.json"))
    counts = [len(encoding.ids) for encoding in tokenise(tokenizer, texts)]
    items = []
    for row, text in enumerate(texts):
        z = [stack[label]["encoder"] * own[row, n] + stack[label]["first"] * logit(first[row, n]) + stack[label]["offset"] for n, label in enumerate(labels)]
        items.append({"text": text, "tokens": counts[row], "scores": [round(float(logistic(value)), 6) for value in z]})
    path.write_text(json.dumps({"labels": labels, "items": items}, indent=1, ensure_ascii=False) + "\n")


@torch.no_grad()
def encode(weights, texts, arguments):
    fine_tune.MAX_TOKENS = arguments.max_tokens
    tokenizer = Tokenizer.from_file(str(arguments.base / "tokenizer.json"))
    model = Encoder(arguments.base / "model.safetensors", len(dataset.LABELS), arguments.frozen).eval()
    weights = {**weights, "token.weight": torch.zeros(1, 384), "token.bias": torch.zeros(1)}
    model.restore(weights)
    ids = [torch.tensor(e.ids) for e in tokenise(tokenizer, texts)]
    out = np.zeros((len(texts), len(dataset.LABELS)))
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    for begin in range(0, len(order), 32):
        batch = order[begin : begin + 32]
        padded = torch.nn.utils.rnn.pad_sequence([ids[index] for index in batch], batch_first=True)
        out[batch] = model(padded)[0].double().numpy()
        if begin % 1600 == 0:
            print(f"{begin} of {len(order)}", flush=True)
    return out


if __name__ == "__main__":
    main()
