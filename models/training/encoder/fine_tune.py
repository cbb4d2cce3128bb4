"""Trains the upper layers and heads of `toxicity-minilm`. See README.md.

The learning rate rises, then falls to zero: over `--minutes` on a machine of unknown speed (the log says how many steps that
were), or over `--steps`, which repeats such a run. `--start` goes on from trained weights instead of the published ones."""

import argparse
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import f1_score, roc_auc_score
from tokenizers import Tokenizer

import changes
import dataset
import emoji_names
from network import Encoder

MAX_TOKENS = 80
WARM_UP = 120
RATES = {0: 3e-5, 1: 4e-5, 2: 5e-5, 3: 6e-5, 4: 8e-5, 5: 1e-4, "head": 6e-4}
# Share of a source that each pass after the first draws anew: what is rare and hard comes each time, what is plenty less often.
SHARE = {"jigsaw_train": 0.7, "obfuscated": 0.7, "identity": 0.5, "sms": 0.4, "youtube": 0.4, "smishing": 0.4, "spans": 0.5, "rated": 0.5}
TASK_WEIGHT = {"hate": 1.5, "sexism": 1.5, "profanity": 0.5, "sentiment": 1.0, "spam": 0.7}
TOKEN_WEIGHT = 0.5


def tokenise(tokenizer, texts):
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer.encode_batch([emoji_names.spell(dataset.fold(text[:4000])) for text in texts])


def token_marks(encoding, text, spans):
    """1 for tokens that touch a marked stretch. Only for texts that tokenising does not change in length."""
    marks = np.zeros(len(encoding.ids), dtype=np.float32)
    for index, (start, end) in enumerate(encoding.offsets):
        marks[index] = any(start < b and end > a for a, b in spans) if end > start else 0
    return marks


def batches(lengths, budget, rng, drawn=None):
    """Neighbours in length out of a shuffled window, so that little is padded and the order stays random. Of all rows, or those drawn."""
    order = rng.permutation(len(lengths) if drawn is None else drawn)
    out = []
    for begin in range(0, len(order), 4096):
        window = sorted(order[begin : begin + 4096], key=lambda index: lengths[index])
        batch, longest = [], 0
        for index in window:
            if batch and max(longest, lengths[index]) * (len(batch) + 1) > budget:
                out.append(batch)
                batch, longest = [], 0
            batch.append(int(index))
            longest = max(longest, lengths[index])
        if batch:
            out.append(batch)
    rng.shuffle(out)
    return out


class Data:
    def __init__(self, corpus, tokenizer):
        encoded = tokenise(tokenizer, corpus.texts)
        self.ids = [np.array(e.ids, dtype=np.int64) for e in encoded]
        self.lengths = np.array([len(ids) for ids in self.ids])
        self.marks = torch.tensor(np.array(corpus.marks, dtype=np.float32))
        self.weights = torch.tensor(np.array(corpus.weights, dtype=np.float32))
        self.sources = corpus.sources
        self.tokens = [
            token_marks(e, text, spans) if spans is not None and text.isascii() else None
            for e, text, spans in zip(encoded, corpus.texts, corpus.spans)
        ]
        # Hidden states of the frozen part, kept from the first pass on.
        self.cache = {}

    def pad(self, batch):
        ids = torch.zeros((len(batch), int(self.lengths[batch].max())), dtype=torch.long)
        for row, index in enumerate(batch):
            ids[row, : self.lengths[index]] = torch.from_numpy(self.ids[index])
        return ids

    def states(self, model, batch, ids):
        if all(index in self.cache for index in batch):
            x = torch.zeros((*ids.shape, 384))
            for row, index in enumerate(batch):
                x[row, : self.lengths[index]] = self.cache[index].float()
            return x
        x = model.lower(ids)
        for row, index in enumerate(batch):
            self.cache[index] = x[row, : self.lengths[index]].half().clone()
        return x


def loss_of(model, data, batch, weight, dropout):
    ids = data.pad(batch)
    logits, tokens = model.upper(data.states(model, batch, ids), ids != 0, dropout)
    marks = data.marks[batch]
    known = ~torch.isnan(marks)
    each = F.binary_cross_entropy_with_logits(logits, marks.nan_to_num(), reduction="none") * weight * known
    loss = (each.sum(1) * data.weights[batch]).sum() / len(batch)
    spanned = [row for row, index in enumerate(batch) if data.tokens[index] is not None]
    if spanned:
        target = torch.zeros_like(tokens)
        for row in spanned:
            target[row, : data.lengths[batch[row]]] = torch.from_numpy(data.tokens[batch[row]])
        own = (ids != 0)[spanned]
        bce = F.binary_cross_entropy_with_logits(tokens[spanned], target[spanned], reduction="none")
        loss = loss + TOKEN_WEIGHT * (bce * own).sum() / own.sum() * len(spanned) / len(batch) * 4
    return loss


@torch.no_grad()
def predict(model, data):
    model.eval()
    out = np.zeros((len(data.ids), data.marks.shape[1]), dtype=np.float32)
    order = np.argsort(data.lengths)
    for begin in range(0, len(order), 48):
        batch = [int(index) for index in order[begin : begin + 48]]
        out[batch] = model(data.pad(batch))[0].numpy()
    model.train()
    return out


def watch(model, dev):
    """A few figures on parts of the dev sets."""
    logits = predict(model, dev)
    marks, out = dev.marks.numpy(), {}
    sources = np.array(dev.sources)
    own = np.char.startswith(sources, "jigsaw")
    out["jigsaw_auc"] = float(np.mean([roc_auc_score(marks[own, n], logits[own, n]) for n in range(6) if 0 < marks[own, n].sum()]))
    own = np.char.startswith(sources, "edos")
    out["edos_f1"] = float(f1_score(marks[own, 7], logits[own, 7] > 0, average="macro"))
    for name in ("hatemoji", "functional"):
        own = np.char.startswith(sources, name)
        hate, said = marks[own, 6] == 1, logits[own, 6] > 0
        out[name] = [round(float(said[hate].mean()), 3), round(float((~said)[~hate].mean()), 3)]
    own = np.char.startswith(sources, "rated")
    out["sentiment_r"] = float(np.corrcoef(marks[own, 10], logits[own, 10])[0, 1])
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in out.items()}


def dev_part(archive):
    rng = random.Random(3)
    words, corpus = dataset.swear_words(), dataset.Corpus()
    chosen = lambda index, row: 1.0 if index % 4 == 0 or row["toxic"] == "1" else 0.0
    dataset.add_jigsaw(corpus, "dev", words, chosen)
    dataset.add_edos(corpus, "dev", words, keep=1.0)
    keep = [i for i, source in enumerate(corpus.sources) if not source.startswith("edos") or i % 3 == 0]
    for name in ("texts", "marks", "sources", "weights", "spans"):
        setattr(corpus, name, [getattr(corpus, name)[i] for i in keep])
    dataset.add_hatemoji(corpus, "dev", words)
    dataset.add_functional(corpus, 2, 2, heldout=True)
    begin = len(corpus)
    dataset.add_sentiment(corpus, archive, heldout=True)
    for name in ("texts", "marks", "sources", "weights", "spans"):
        values = getattr(corpus, name)
        setattr(corpus, name, values[:begin] + values[begin::3])
    return corpus


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder with model.safetensors and tokenizer.json of all-MiniLM-L6-v2")
    parser.add_argument("--ratings", type=Path, required=True, help="vaderSentiment-3.3.2.tar.gz")
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints and the log")
    parser.add_argument("--frozen", type=int, default=2, help="layers, counted from the bottom, that stay as published")
    parser.add_argument("--budget", type=int, default=1536, help="tokens per batch")
    parser.add_argument("--minutes", type=float, default=90.0, help="how long to train")
    parser.add_argument("--steps", type=int, default=0, help="how many steps to train, whatever time they take")
    parser.add_argument("--start", type=Path, help="changes.safetensors to go on from")
    parser.add_argument("--watch", type=int, default=1000, help="steps between two looks at the dev sets")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = (arguments.out / "log.jsonl").open("a")

    tokenizer = Tokenizer.from_file(str(arguments.base / "tokenizer.json"))
    corpus = dataset.training(arguments.ratings, arguments.seed)
    data, dev = Data(corpus, tokenizer), Data(dev_part(arguments.ratings), tokenizer)
    model = Encoder(arguments.base / "model.safetensors", len(dataset.LABELS), arguments.frozen).train()
    if arguments.start:
        model.go_on(changes.unpack(load_file(arguments.start), arguments.base / "model.safetensors"))
    print(f"{len(corpus)} texts, {data.lengths.sum()} tokens; watching {len(dev.ids)} texts", flush=True)
    share = np.array([next((s for name, s in SHARE.items() if source.startswith(name)), 1.0) for source in corpus.sources])

    groups = [{"params": model.layers[number].parameters(), "lr": RATES[number]} for number in range(arguments.frozen, 6)]
    heads = [*model.dense.parameters(), *model.head.parameters(), *model.token.parameters()]
    groups.append({"params": heads, "lr": RATES["head"]})
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    rates = [group["lr"] for group in groups]
    weight = torch.tensor([TASK_WEIGHT.get(label, 1.0) for label in dataset.LABELS])
    rng = np.random.default_rng(arguments.seed)
    step, seen, begin, shown, saved, left = 0, 0, time.time(), [], time.time(), 1.0
    say = lambda line: print(json.dumps(line), file=log, flush=True)
    for epoch in range(1000):
        drawn = np.flatnonzero((rng.random(len(share)) < share) | (epoch == 0))
        for batch in batches(data.lengths, arguments.budget, rng, drawn):
            left = 1 - (step / arguments.steps if arguments.steps else (time.time() - begin) / 60 / arguments.minutes)
            if left <= 0:
                break
            factor = min(1.0, (step + 1) / WARM_UP) * left
            for group, rate in zip(optimizer.param_groups, rates):
                group["lr"] = rate * factor
            loss = loss_of(model, data, batch, weight, 0.1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step += 1
            seen += int(data.lengths[batch].sum())
            shown.append(loss.item())
            if step % 50 == 0:
                line = {"step": step, "epoch": epoch, "tokens": seen, "loss": round(float(np.mean(shown)), 4), "seconds": round(time.time() - begin), "rate": round(factor, 3)}
                shown = []
                if step % arguments.watch == 0:
                    line.update(watch(model, dev))
                say(line)
            if time.time() - saved > 240:
                saved = time.time()
                save_file(model.trained(), arguments.out / "checkpoint.safetensors")
        if left <= 0:
            break
    save_file(model.trained(), arguments.out / "final.safetensors")
    say({"steps": step, "tokens": seen, "final": watch(model, dev)})


if __name__ == "__main__":
    main()
