"""The labelled texts that training reads, from datasets/data."""

import csv
import gzip
import re

import numpy as np

from featurise import ROOT

DATA = ROOT / "datasets" / "data"
TOXICITY = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]


def rows(name):
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Corpus:
    """Texts, marks (one row each, one column per label: 1, 0 or NaN for unknown), which rows have natural prevalence, and
    which belong together (near-copies; the comments on one video)."""

    def __init__(self, labels):
        self.labels = labels
        self.texts, self.rows, self.is_natural, self.groups, self.sources = [], [], [], [], []

    def add(self, source, text, marks, natural, group):
        self.sources.append(source)
        self.texts.append(text)
        self.rows.append(marks)
        self.is_natural.append(natural)
        self.groups.append(group)

    @property
    def marks(self):
        return np.array(self.rows, dtype=float)

    @property
    def natural(self):
        return np.array(self.is_natural, dtype=bool)


def near(text):
    """Equal for near-copies: the first 64 letters, case and everything else dropped."""
    return re.sub(r"[^a-z]", "", text.lower())[:64] or text


def toxicity(*parts):
    corpus = Corpus(TOXICITY)
    for part in parts:
        for row in rows(f"jigsaw_{part}.csv.gz"):
            text = row["comment_text"]
            corpus.add("jigsaw", text, [row[label] == "1" for label in TOXICITY], row["sample"] == "natural", near(text))
    return corpus


def add_everyday(corpus, templates=3000):
    """What Wikipedia talk pages lack: short chat lines (honest messages of the spam sets that hold no listed profanity) as
    clean ones, and identity templates, of whose toxic half only `toxic` is known."""
    profanity = {row["text"].lower() for row in rows("profanity_surge_en.csv.gz")}
    for name in ("sms", "youtube"):
        for row in rows(f"{name}_public.csv.gz"):
            if row["spam"] == "0" and not any(word in profanity for word in re.findall(r"[a-z']+", row["text"].lower())):
                corpus.add(name, row["text"], [0] * len(TOXICITY), False, near(row["text"]))
    drawn = rows("identity_templates_public.csv.gz")
    for index in np.random.RandomState(1).permutation(len(drawn))[:templates]:
        row = drawn[index]
        toxic = row["toxic"] == "1"
        rest = np.nan if toxic else 0
        corpus.add("templates", row["text"], [toxic] + [rest] * (len(TOXICITY) - 1), False, near(row["text"]))


def spam():
    """Groups: a YouTube video is one group (comments on one video repeat each other), elsewhere near-copies are."""
    corpus = Corpus(["spam"])
    for row in rows("sms_public.csv.gz"):
        corpus.add("sms", row["text"], [row["spam"] == "1"], True, near(row["text"]))
    for row in rows("youtube_public.csv.gz"):
        corpus.add("youtube", row["text"], [row["spam"] == "1"], True, "video " + row["video"])
    for row in rows("smishing_public.csv.gz"):
        corpus.add("smishing", row["text"], [row["label"] != "ham"], True, near(row["text"]))
    return corpus
