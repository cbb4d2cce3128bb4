"""Teaches the small encoder what the large one says. See README.md.

Texts are those of `screen.py`, and the sentences that Jigsaw's comments and EDOS' posts fall into: chat is shorter than either.
The target is the large encoder's probability of each label, its logit with a small weight, and the mark where there is one."""

import argparse
import json
import random
import re
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from tokenizers import Tokenizer

import changes
import dataset
import screen
import stack
from fine_tune import batches, tokenise
from glance import Glance

RATES = {"words": 2e-3, "rest": 1.5e-3}
WARM_UP = 200
DROPOUT = 0.05
NEAR, MARKED = 0.08, 0.3
FURTHEST = 9.0


def sentences(corpus, rng, share=0.75):
    """Parts of the longer texts, of 6 to 240 characters, that are no texts of the corpus themselves."""
    seen, out = set(corpus.texts), []
    for text, source in zip(corpus.texts, corpus.sources):
        if not source.startswith(("jigsaw", "edos")):
            continue
        for part in re.split(r"(?<=[.!?])\s+|\n+", text):
            part = part.strip()
            if 6 <= len(part) <= 240 and part not in seen and rng.random() < share:
                seen.add(part)
                out.append(part)
    return out


def pad(ids, batch):
    out = torch.zeros((len(batch), max(len(ids[index]) for index in batch)), dtype=torch.long)
    for row, index in enumerate(batch):
        out[row, : len(ids[index])] = torch.tensor(ids[index])
    return out


@torch.no_grad()
def predict(model, ids):
    """Logits per text and label."""
    model.eval()
    out = np.zeros((len(ids), len(dataset.LABELS)))
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    for begin in range(0, len(order), 64):
        batch = order[begin : begin + 64]
        out[batch] = model(pad(ids, batch)).double().numpy()
    model.train()
    return out


def watch(model, dev, ids):
    logits, marks, sources = predict(model, ids), np.array(dev.marks), np.array(dev.sources)
    auc = lambda name, n: roc_auc_score(marks[np.char.startswith(sources, name), n], logits[np.char.startswith(sources, name), n])
    return {"jigsaw_auc": round(float(np.mean([auc("jigsaw", n) for n in range(6)])), 4), "edos_auc": round(auc("edos", 7), 4), "hatemoji_auc": round(auc("hatemoji", 6), 4)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, required=True, help="folder with model.safetensors and tokenizer.json of all-MiniLM-L6-v2")
    parser.add_argument("--ratings", type=Path, required=True, help="vaderSentiment-3.3.2.tar.gz")
    parser.add_argument("--out", type=Path, required=True, help="folder for the weights, the teacher's logits and the log")
    parser.add_argument("--frozen", type=int, default=2, help="of the teacher, as it was trained")
    parser.add_argument("--minutes", type=float, default=22.0, help="how long to train, after the teacher has spoken")
    parser.add_argument("--bf16", action="store_true", help="the teacher computes in bf16, which is faster where the processor multiplies such numbers")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    arguments.out.mkdir(parents=True, exist_ok=True)
    base, known = arguments.base / "model.safetensors", arguments.out / "teacher.npy"

    corpus = screen.training(arguments.ratings, 11)
    begin = len(corpus)
    dataset.add_cases(corpus, 11, heldout=False)
    dataset.add_respelt(corpus, dataset.swear_words(), random.Random(5), begin=begin)
    texts = corpus.texts + sentences(corpus, random.Random(9))
    if not known.exists():
        taught = changes.unpack(load_file(stack.REPOSITORY / "toxicity-minilm" / "changes.safetensors"), base)
        with torch.autocast("cpu", torch.bfloat16, enabled=arguments.bf16):
            np.save(known, stack.encode(taught, texts, arguments, longest=80))
    target = torch.tensor(np.load(known)).float().clamp(-FURTHEST, FURTHEST)
    marks = torch.full_like(target, float("nan"))
    marks[: len(corpus)] = torch.tensor(corpus.marks)

    tokenizer = Tokenizer.from_file(str(arguments.base / "tokenizer.json"))
    ids = [encoding.ids for encoding in tokenise(tokenizer, texts)]
    lengths = np.array([len(row) for row in ids])
    dev = screen.tuning(arguments.ratings)
    dev_ids = [encoding.ids for encoding in tokenise(tokenizer, dev.texts)]
    print(f"{len(texts)} texts, {lengths.sum()} tokens", flush=True)

    model = Glance(len(dataset.LABELS), base).train()
    tables = [model.words.weight, model.positions]
    rest = [value for value in model.parameters() if all(value is not table for table in tables)]
    optimizer = torch.optim.AdamW([{"params": tables, "lr": RATES["words"]}, {"params": rest, "lr": RATES["rest"]}], weight_decay=0.01, betas=(0.9, 0.98), fused=True)
    log, rng = (arguments.out / "log.jsonl").open("a"), np.random.default_rng(3)
    step, seen, begin, shown, left = 0, 0, time.time(), [], 1.0
    while left > 0:
        for batch in batches(lengths, 3072, rng):
            left = 1 - (time.time() - begin) / 60 / arguments.minutes
            if left <= 0:
                break
            for group, rate in zip(optimizer.param_groups, RATES.values()):
                group["lr"] = rate * min(1.0, (step + 1) / WARM_UP) * left
            logits, own, mark = model(pad(ids, batch), DROPOUT), target[batch], marks[batch]
            soft = F.binary_cross_entropy_with_logits(logits, torch.sigmoid(own), reduction="none")
            near = F.smooth_l1_loss(logits, own, reduction="none")
            hard = F.binary_cross_entropy_with_logits(logits, mark.nan_to_num(), reduction="none") * ~torch.isnan(mark)
            loss = (soft + NEAR * near + MARKED * hard).sum(1).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            step, seen = step + 1, seen + int(lengths[batch].sum())
            shown.append(loss.item())
            if step % 500 == 0:
                line = {"step": step, "tokens": seen, "loss": round(float(np.mean(shown)), 4), "seconds": round(time.time() - begin), **watch(model, dev, dev_ids)}
                print(json.dumps(line), file=log, flush=True)
                shown = []
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, arguments.out / "glance.safetensors")
    print(json.dumps({"steps": step, "tokens": seen, "final": watch(model, dev, dev_ids)}), file=log, flush=True)


if __name__ == "__main__":
    main()
