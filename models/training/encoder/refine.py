"""Trains the top of released weights further, on a machine where training three layers is out of reach. See README.md.

`states` computes what the layers below give for every text, once, and keeps it; `train` then needs the upper layers alone.
The released model's own scores stand in where a text says nothing about a label, and for half of what Jigsaw says, so that
what was learnt before stays."""

import argparse
import hashlib
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score
from tokenizers import Tokenizer

import changes
import dataset
import fine_tune
import screen
from network import Encoder

LABELS = dataset.LABELS
TOKENS = {"train": 72, "dev": 128}
# How much the teacher's score says beside a mark: on the sources that the released model already learnt well.
KEPT = {"jigsaw_train": 0.5, "sms": 0.5, "youtube": 0.5, "smishing": 0.5, "rated": 0.3}
UNKNOWN = 0.3
# The states are those below this layer; training may leave more of them alone.
FROZEN = 4
WEIGHT = {"hate": 1.5, "sexism": 1.5, "profanity": 0.3, "sentiment": 0.7, "spam": 0.7}


def key(text):
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


class Store:
    """Hidden states below the trained layers, 16 bits a number, and the released model's logits, by text."""

    def __init__(self, folder):
        self.folder, self.at, self.parts = folder, {}, []
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.glob("*.json")):
            self.open(path)

    def open(self, path):
        index, states, logits = json.loads(path.read_text()), np.load(path.with_suffix(".states.npy"), mmap_mode="r"), np.load(path.with_suffix(".logits.npy"))
        for row, (name, begin, length) in enumerate(index):
            self.at[name] = (len(self.parts), begin, length, row)
        self.parts.append((states, logits))

    def add(self, name, names, states, logits):
        lengths = [len(state) for state in states]
        begins = np.concatenate([[0], np.cumsum(lengths)[:-1]]).tolist()
        path = self.folder / f"{name}.json"
        np.save(path.with_suffix(".states.npy"), np.concatenate(states))
        np.save(path.with_suffix(".logits.npy"), np.stack(logits))
        path.write_text(json.dumps(list(zip(names, begins, lengths))))

    def states(self, name):
        part, begin, length, _ = self.at[name]
        return self.parts[part][0][begin : begin + length]

    def logits(self, name):
        part, _, _, row = self.at[name]
        return self.parts[part][1][row]


def released(arguments):
    """The encoder as it is served, with its lower `frozen` layers closed."""
    base = arguments.base / "model.safetensors"
    model = Encoder(base, len(LABELS), 3)
    weights = changes.unpack(load_file(arguments.start), base)
    model.restore({**weights, "token.weight": torch.zeros(1, 384), "token.bias": torch.zeros(1)})
    model.frozen = FROZEN
    for number, layer in enumerate(model.layers):
        layer.requires_grad_(number >= arguments.frozen)
    return model


def chosen(archive, seed=11):
    """What is trained on: everything short and rare, and a part of what the released weights know well."""
    from featurise import exporter
    rng, words, corpus = random.Random(seed), dataset.swear_words(), dataset.Corpus()
    train = dataset.rows("jigsaw_train")
    texts = [dataset.fold(row["comment_text"]) for row in train]
    scores = np.frombuffer(exporter("score", dataset.ROOT / "models/repository/toxicity-screen/weights.bin", texts=texts), dtype="<f4").reshape(-1, len(LABELS))[:, 0]
    rare = {i for i, row in enumerate(train) if any(row[label] == "1" for label in ("threat", "identity_hate", "severe_toxic"))}
    bad = [i for i, row in enumerate(train) if i not in rare and any(row[label] == "1" for label in dataset.JIGSAW)]
    clean = sorted((i for i, row in enumerate(train) if not any(row[label] == "1" for label in dataset.JIGSAW)), key=lambda i: -scores[i])
    take = rare | set(rng.sample(bad, 1800)) | set(clean[:1800]) | set(rng.sample(clean[1800:], 1500))
    dataset.add_jigsaw(corpus, "train", words, lambda index, row: 1.0 if index in take else 0.0)
    dataset.add_edos(corpus, "train", words, keep=0.5, rng=rng)
    dataset.add_hatemoji(corpus, "train", words)
    dataset.add_identity(corpus, False, 1200, rng)
    begin = len(corpus)
    dataset.add_spam(corpus, words, heldout=False)
    dataset.add_sentiment(corpus, archive, heldout=False)
    drawn = [dataset.hash_of(text) % 5 for text in corpus.texts]
    corpus.keep([i for i, n in enumerate(drawn) if i < begin or n < 2])
    return corpus


def functional_part(seed=11):
    corpus = dataset.Corpus()
    words = dataset.swear_words()
    dataset.add_functional(corpus, 8, seed, heldout=False, calm=dataset.CALM)
    dataset.add_cases(corpus, seed, heldout=False)
    dataset.add_respelt(corpus, words, random.Random(seed))
    return corpus


def tuning(archive):
    """The dev sets, and sentences of held-out frames. The held-out templates of `functional.py` choose nothing here."""
    corpus = screen.tuning(archive)
    corpus.keep([i for i, source in enumerate(corpus.sources) if not source.startswith("functional")])
    dataset.add_cases(corpus, 5, heldout=True)
    return corpus


PARTS = {"natural": (lambda a: chosen(a.ratings), "train"), "functional": (lambda a: functional_part(), "train"), "dev": (lambda a: tuning(a.ratings), "dev"), "screen": (lambda a: screen.tuning(a.ratings), "dev")}


def part(name, arguments):
    make, tokens = PARTS[name]
    corpus = make(arguments)
    keys = [key(f"{TOKENS[tokens]} {text}") for text in corpus.texts]
    if name == "natural":
        distinct = list(dict.fromkeys(keys))
        drawn = {distinct[n] for n in np.random.default_rng(1).permutation(len(distinct))[: arguments.natural]}
        corpus.keep([row for row, k in enumerate(keys) if k in drawn])
        keys = [k for k in keys if k in drawn]
    return corpus, keys, TOKENS[tokens]


@torch.inference_mode()
def compute(arguments):
    store = Store(arguments.states)
    model, tokenizer = released(arguments).eval(), Tokenizer.from_file(str(arguments.base / "tokenizer.json"))
    for name in arguments.part:
        corpus, keys, tokens = part(name, arguments)
        wanted = {k: text for k, text in zip(keys, corpus.texts) if k not in store.at}
        fine_tune.MAX_TOKENS = tokens
        names = list(wanted)
        ids = [torch.tensor(e.ids) for e in fine_tune.tokenise(tokenizer, list(wanted.values()))]
        print(f"{name}: {len(corpus)} texts, {len(names)} to do, {sum(map(len, ids))} tokens", flush=True)
        order, begin = np.random.default_rng(1).permutation(len(ids)), time.time()
        for shard in range(0, len(order), 2048):
            rows, states, logits = sorted(order[shard : shard + 2048], key=lambda row: len(ids[row])), [], []
            for at in range(0, len(rows), 32):
                padded = torch.nn.utils.rnn.pad_sequence([ids[row] for row in rows[at : at + 32]], batch_first=True)
                x = model.lower(padded)
                logits.extend(model.upper(x, padded != 0)[0].numpy())
                states.extend(x[n, : len(ids[row])].half().numpy() for n, row in enumerate(rows[at : at + 32]))
            store.add(f"{name}-{shard:06}-{time.time_ns()}", [names[row] for row in rows], states, logits)
            print(f"{shard + len(rows)} of {len(order)}, {time.time() - begin:.0f} s", flush=True)
        store = Store(arguments.states)


class Rows:
    def __init__(self, corpus, keys, store):
        self.store, self.keys, self.sources = store, keys, np.array(corpus.sources)
        self.lengths = np.array([store.at[k][2] for k in keys])
        self.teacher = torch.tensor(np.stack([store.logits(k) for k in keys])).float()
        self.marks = torch.tensor(np.array(corpus.marks, dtype=np.float32))
        self.weights = torch.tensor(np.array(corpus.weights, dtype=np.float32))
        known = ~torch.isnan(self.marks)
        kept = torch.tensor([next((share for name, share in KEPT.items() if source.startswith(name)), 0.0) for source in corpus.sources])[:, None]
        teacher = torch.sigmoid(self.teacher)
        self.target = torch.where(known, kept * teacher + (1 - kept) * self.marks.nan_to_num(), teacher)
        self.each = torch.where(known, 1.0, UNKNOWN) * torch.tensor([WEIGHT.get(label, 1.0) for label in LABELS]) * self.weights[:, None]

    def states(self, batch):
        x = torch.zeros((len(batch), int(self.lengths[batch].max()), 384))
        mask = torch.zeros(x.shape[:2], dtype=torch.bool)
        for row, index in enumerate(batch):
            length = self.lengths[index]
            x[row, :length] = torch.from_numpy(self.store.states(self.keys[index]).astype(np.float32))
            mask[row, :length] = True
        return x, mask


@torch.inference_mode()
def predict(model, rows):
    model.eval()
    out, order = np.zeros((len(rows.keys), len(LABELS))), np.argsort(rows.lengths)
    for begin in range(0, len(order), 48):
        batch = order[begin : begin + 48]
        out[batch] = model.upper(*rows.states(batch))[0].numpy()
    model.train()
    return out


def figures(logits, marks, sources):
    out, of = {}, lambda name: np.char.startswith(sources, name)
    own = of("jigsaw")
    out["jigsaw_auc"] = float(np.mean([roc_auc_score(marks[own, n], logits[own, n]) for n in range(6)]))
    out["jigsaw_ap"] = float(np.mean([average_precision_score(marks[own, n], logits[own, n]) for n in range(6)]))
    own = of("edos")
    out["edos_auc"] = float(roc_auc_score(marks[own, 7], logits[own, 7]))
    out["edos_f1"] = max(float(f1_score(marks[own, 7], logits[own, 7] > cut, average="macro")) for cut in np.linspace(-2, 1, 13))
    own = of("hatemoji")
    out["hatemoji_auc"] = float(roc_auc_score(marks[own, 6], logits[own, 6]))
    own = of("functional")
    out["functional_auc"] = float(roc_auc_score(marks[own, 6], logits[own, 6]))
    said, hate = logits[:, 6] > 0, marks[:, 6] == 1
    out["functional"] = [float(said[own & hate].mean()), float((~said)[own & ~hate].mean())]
    out["by"] = {name[11:]: round(float((said == hate)[sources == name].mean()), 2) for name in sorted(set(sources[own]))}
    own = of("rated")
    out["sentiment_r"] = float(np.corrcoef(marks[own, 10], logits[own, 10])[0, 1])
    return {k: round(v, 4) if isinstance(v, float) else [round(x, 3) for x in v] if isinstance(v, list) else v for k, v in out.items()}


def train(arguments):
    torch.manual_seed(arguments.seed)
    store = Store(arguments.states)
    model = released(arguments).train()
    parts = [part(name, arguments) for name in ("natural", "functional")]
    whole, keys = parts[0][0], parts[0][1] + parts[1][1]
    whole.extend(parts[1][0])
    rows = Rows(whole, keys, store)
    log = arguments.log.open("a")
    say = lambda line: (print(json.dumps(line), file=log, flush=True), print(json.dumps(line), flush=True))
    say({"texts": len(whole), "tokens": int(rows.lengths.sum()), "frozen": arguments.frozen, "rate": arguments.rate, "epochs": arguments.epochs, "seed": arguments.seed})
    groups = [{"params": model.layers[n].parameters(), "lr": arguments.rate} for n in range(arguments.frozen, 6)]
    groups.append({"params": [*model.dense.parameters(), *model.head.parameters()], "lr": arguments.rate * 3})
    optimizer = torch.optim.AdamW(groups, weight_decay=0.0, betas=(0.9, 0.98), fused=True)
    rates, rng = [group["lr"] for group in groups], np.random.default_rng(arguments.seed)
    plan = [batch for _ in range(arguments.epochs) for batch in fine_tune.batches(rows.lengths, arguments.budget, rng)]
    if arguments.steps:
        plan = plan[: arguments.steps]
    begin, losses = time.time(), []
    for step, batch in enumerate(plan):
        factor = min(1.0, (step + 1) / 60) * (1 - step / len(plan))
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * factor
        logits = model.upper(*rows.states(batch), 0.1)[0]
        each = F.binary_cross_entropy_with_logits(logits, rows.target[batch], reduction="none") * rows.each[batch]
        loss = each.sum() / len(batch)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % arguments.watch == 0 or step + 1 == len(plan):
            say({"step": step + 1, "of": len(plan), "loss": round(float(np.mean(losses)), 4), "seconds": round(time.time() - begin)})
            losses = []
            write(model, arguments.out)


def watch(arguments):
    """Figures of a checkpoint, and of weights between the released ones and it, on the dev texts whose states are there."""
    store = Store(arguments.states)
    corpus, keys, _ = part("dev", arguments)
    marked = np.nan_to_num(np.array(corpus.marks)[:, :6]).max(1) == 1
    drawn = lambda row: row % arguments.every == 0 or (corpus.sources[row].startswith("jigsaw") and marked[row])
    there = [row for row, k in enumerate(keys) if k in store.at and drawn(row)]
    corpus.keep(there)
    dev, marks, sources = Rows(corpus, [keys[row] for row in there], store), np.array(corpus.marks), np.array(corpus.sources)
    log = arguments.log.open("a")
    say = lambda line: (print(json.dumps(line), file=log, flush=True), print(json.dumps(line), flush=True))
    say({"dev": len(corpus), "released": figures(dev.teacher.numpy().astype(float), marks, sources)})
    model = released(arguments)
    model.frozen = 3
    before, after = model.trained(), load_file(arguments.out)
    for share in arguments.share:
        model.frozen = 3
        model.restore({name: (1 - share) * value + share * after[name] for name, value in before.items()})
        model.frozen = FROZEN
        say({"share": share, **figures(predict(model, dev), marks, sources)})


def write(model, path):
    model.frozen, frozen = 3, model.frozen
    save_file(model.trained(), path)
    model.frozen = frozen


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("states", "train", "watch"))
    parser.add_argument("--base", type=Path, required=True, help="folder with model.safetensors and tokenizer.json of all-MiniLM-L6-v2")
    parser.add_argument("--ratings", type=Path, required=True, help="vaderSentiment-3.3.2.tar.gz")
    parser.add_argument("--start", type=Path, required=True, help="changes.safetensors to go on from")
    parser.add_argument("--states", type=Path, required=True, help="folder for the states, about 1 GB")
    parser.add_argument("--part", action="append", choices=PARTS, help="for `states`: what to compute (repeatable)")
    parser.add_argument("--natural", type=int, default=6144, help="texts drawn from the natural sets")
    parser.add_argument("--frozen", type=int, default=FROZEN, help="layers that stay as they are, at least those of the states")
    parser.add_argument("--out", type=Path, help="for `train`: the checkpoint")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="fewer than the epochs have")
    parser.add_argument("--watch", type=int, default=50, help="steps between two lines of the log")
    parser.add_argument("--rate", type=float, default=1e-4)
    parser.add_argument("--budget", type=int, default=1024, help="tokens per batch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--share", type=float, action="append", help="for `watch`: how far from the released weights (repeatable)")
    parser.add_argument("--every", type=int, default=1, help="for `watch`: of the dev texts each so many-th, and all marked ones of Jigsaw")
    parser.add_argument("--seed", type=int, default=11)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    {"states": compute, "train": train, "watch": watch}[arguments.what](arguments)


if __name__ == "__main__":
    main()
