"""The labelled texts that the encoder is trained on. A mark is 0, 1 or NaN (unknown). See README.md for what comes from where."""

import csv
import gzip
import os
import random
import re
import tarfile
import unicodedata
from pathlib import Path

import numpy as np

import cases
import evasion
import functional

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "datasets" / "data"
JIGSAW = ["toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
LABELS = JIGSAW + ["hate", "sexism", "profanity", "spam", "sentiment"]
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]")
NAN = float("nan")


def rows(name):
    with gzip.open(DATA / f"{name}.csv.gz", "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def fold(text):
    """The light part of pipeline/src/normalise: no effect on ASCII."""
    return text if text.isascii() else unicodedata.normalize("NFKC", INVISIBLE.sub("", text))


class Corpus:
    def __init__(self):
        self.texts, self.marks, self.sources, self.weights, self.spans = [], [], [], [], []

    def add(self, source, text, weight=1.0, spans=None, **marks):
        self.sources.append(source)
        self.texts.append(text)
        self.marks.append([float(marks.get(label, NAN)) for label in LABELS])
        self.weights.append(weight)
        self.spans.append(spans)

    def copy(self, index, source, text):
        self.sources.append(source)
        self.texts.append(text)
        self.marks.append(list(self.marks[index]))
        self.weights.append(self.weights[index])
        self.spans.append(None)

    def __len__(self):
        return len(self.texts)

    def keep(self, indices):
        for name in ("texts", "marks", "sources", "weights", "spans"):
            setattr(self, name, [getattr(self, name)[index] for index in indices])

    def extend(self, other):
        for name in ("texts", "marks", "sources", "weights", "spans"):
            getattr(self, name).extend(getattr(other, name))


def swear_words():
    """Plain words of the list from moderate severity up."""
    return {row["text"].lower() for row in rows("profanity_surge_en") if row["text"].isalpha() and float(row["severity_rating"]) >= 1.6 and len(row["text"]) > 2}


def swears(text, words):
    return any(word in words for word in re.findall(r"[a-z]+", text.lower()))


def jigsaw_marks(row, words):
    six = {label: row[label] == "1" for label in JIGSAW}
    clean = not any(six.values())
    marks = {**six, "hate": six["identity_hate"], "profanity": swears(row["comment_text"], words)}
    if clean:
        marks.update(sexism=0, spam=0)
    return marks


def add_jigsaw(corpus, part, words, keep=lambda index, row: 1.0):
    for index, row in enumerate(rows(f"jigsaw_{part}")):
        weight = keep(index, row)
        if weight:
            corpus.add(f"jigsaw_{part}", row["comment_text"], weight, **jigsaw_marks(row, words))


def add_edos(corpus, part, words, keep=1.0, rng=None):
    for row in rows(f"edos_{part}"):
        sexist = row["label_sexist"] == "1"
        if not sexist and rng and rng.random() > keep:
            continue
        marks = {"sexism": sexist, "profanity": swears(row["text"], words), "spam": 0}
        if sexist and row["label_category"].startswith(("1.", "2.")):
            marks.update(hate=1, toxic=1)
        if row["label_category"].startswith("1."):
            marks.update(threat=1) if row["label_vector"].startswith("1.1") else None
        corpus.add(f"edos_{part}", row["text"], 1.0, **marks)


def add_hatemoji(corpus, part, words):
    for row in rows(f"hatemoji_build_{part}"):
        hate = row["label_gold"] == "1"
        marks = {"hate": hate, "profanity": swears(row["text"], words), "spam": 0}
        if hate:
            marks["toxic"] = 1
        if row["type"] == "threateninglanguage":
            marks["threat"] = 1
        corpus.add(f"hatemoji_{part}", row["text"], 1.0, **marks)


# Sentences of these kinds threaten nobody and name no group in hate, whatever words they hold.
CALM = ("everyday", "homonyms", "hate_objects", "identity_neutral")


def add_functional(corpus, per_template, seed, heldout, calm=()):
    slurs = functional.slurs(DATA / "profanity_surge_en.csv.gz")
    add_sentences(corpus, "functional", functional.sentences(slurs, per_template, seed, heldout), functional.TOXIC, functional.TOXIC_UNKNOWN, calm)


def add_cases(corpus, seed, heldout):
    slurs = functional.slurs(DATA / "profanity_surge_en.csv.gz")
    add_sentences(corpus, "functional", cases.sentences(slurs, seed, heldout), cases.TOXIC, cases.UNKNOWN, CALM)


def add_sentences(corpus, source, sentences, toxic, unknown, calm):
    for name, hateful, _, group, text in sentences:
        marks = {"hate": hateful, "spam": 0}
        if hateful or name in toxic:
            marks["toxic"] = 1
        elif name not in unknown:
            marks.update({label: 0 for label in JIGSAW})
        if name.startswith("threat"):
            marks["threat"] = 1
        elif name in calm:
            marks.update(threat=0, identity_hate=0, severe_toxic=0)
        if not hateful or name == "sexist" or (group and group not in functional.FEMALE):
            marks["sexism"] = name == "sexist"
        elif group in functional.FEMALE:
            marks["sexism"] = 1
        corpus.add(f"{source}_{name}", text, 1.0, **marks)


def add_identity(corpus, heldout, most, rng):
    """Unseen names and adjectives in seen patterns are all that this file can hold out; a fifth of its distinct adjectives is."""
    drawn = rows("identity_templates_public")
    rng.shuffle(drawn)
    taken = 0
    for row in drawn:
        if (hash_of(row["text"].split()[-1]) % 5 == 0) != heldout or taken >= most:
            continue
        taken += 1
        toxic = row["toxic"] == "1"
        corpus.add("identity", row["text"], 1.0, **({"toxic": 1} if toxic else {label: 0 for label in JIGSAW + ["hate", "sexism", "spam"]}))


def hash_of(text):
    """Stable between runs, unlike `hash`."""
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


def add_spam(corpus, words, heldout):
    """A fifth of the messages is held out; of YouTube, whole videos cannot be (there are three), so these are near-copies' groups."""
    for name in ("sms", "youtube", "smishing"):
        for row in rows(f"{name}_public"):
            group = re.sub(r"[^a-z]", "", row["text"].lower())[:24]
            if (hash_of(group) % 5 == 0) != heldout:
                continue
            spam = row.get("spam") == "1" if name != "smishing" else row["label"] != "ham"
            marks = {"spam": spam, "profanity": swears(row["text"], words)}
            if not spam and not marks["profanity"]:
                marks.update({label: 0 for label in JIGSAW + ["hate", "sexism"]})
            corpus.add(name, row["text"], 1.0, **marks)


def add_spans(corpus, part, words, most):
    for row in rows(f"toxic_spans_{part}")[:most]:
        spans = [tuple(map(int, span.split(":"))) for span in row["spans"].split()]
        marks = {"toxic": 1} if spans else {}
        corpus.add(f"spans_{part}", row["text"], 0.5 if spans else 1.0, spans, profanity=swears(row["text"], words), **marks)


# People's mean rating of snippets, -4 to 4, in the sources of vaderSentiment 3.3.2 (MIT; Hutto & Gilbert, ICWSM 2014). The
# texts are tweets and excerpts of reviews and editorials, so they stay out of this project and are fetched by their digest.
RATED = {"tweets": 4200, "amazonReviewSnippets": 2200, "movieReviewSnippets": 1600, "nytEditorialSnippets": 700}


def add_sentiment(corpus, archive, heldout):
    import io
    with tarfile.open(archive) as outer:
        inner = outer.extractfile("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz").read()
    with tarfile.open(fileobj=io.BytesIO(inner)) as files:
        for name, most in RATED.items():
            lines = files.extractfile(f"hutto_ICWSM_2014/{name}_GroundTruth.txt").read().decode("utf-8", "replace").splitlines()
            lines = [line.split("\t") for line in lines]
            lines = sorted((line for line in lines if len(line) == 3), key=lambda line: hash_of(line[2]))[:most]
            for _, rating, text in lines:
                if (hash_of(text) % 6 == 0) == heldout:
                    corpus.add(f"rated_{name}", text, 1.0, sentiment=min(max(0.5 + float(rating) / 6, 0), 1), spam=0)


def hardness(texts, marks):
    """Out-of-fold probability of `any label` from word 1-2-grams: which clean comments look bad."""
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.linear_model import SGDClassifier
    counts = HashingVectorizer(n_features=2**19, ngram_range=(1, 2))
    features = counts.transform(texts)
    out = np.zeros(len(texts))
    fold = np.arange(len(texts)) % 3
    for k in range(3):
        model = SGDClassifier(loss="log_loss", alpha=3e-6, max_iter=6, tol=None, random_state=1).fit(features[fold != k], marks[fold != k])
        out[fold == k] = model.predict_proba(features[fold == k])[:, 1]
    return out


def training(archive, seed=7):
    rng = random.Random(seed)
    words = swear_words()
    corpus = Corpus()
    train = rows("jigsaw_train")
    bad = np.array([any(row[label] == "1" for label in JIGSAW) for row in train])
    score = hardness([row["comment_text"] for row in train], bad)
    order = sorted(np.flatnonzero(~bad), key=lambda index: -score[index])
    hard = set(order[:9000])
    easy = set(rng.sample(order[9000:], 6000))
    # The easy ones stand for many times their number; a weight of 2 is the middle between that and none.
    add_jigsaw(corpus, "train", words, lambda index, row: 1.0 if bad[index] or index in hard else 2.0 if index in easy else 0.0)
    add_edos(corpus, "train", words)
    add_hatemoji(corpus, "train", words)
    begin = len(corpus)
    add_functional(corpus, 8, seed, heldout=False, calm=CALM)
    add_cases(corpus, seed, heldout=False)
    add_respelt(corpus, words, random.Random(seed), begin=begin)
    add_identity(corpus, False, 2500, rng)
    add_spam(corpus, words, heldout=False)
    add_spans(corpus, "train", words, 3000)
    add_sentiment(corpus, archive, heldout=False)
    add_obfuscated(corpus, words, rng)
    return corpus


SHARE = {"jigsaw_train": 0.12, "edos_train": 0.06, "hatemoji_train": 0.15, "sms": 0.08}


def add_respelt(corpus, words, rng, share=0.3, begin=0):
    """Copies of short sentences from row `begin` on, rewritten as a whole or in their telling words; every mark is kept, so that odd spelling means nothing."""
    names = {word for plural, adjective, _ in functional.GROUPS for word in (*plural.lower().split(), adjective.lower())}
    telling = words | names | {word for phrase in cases.BAD + cases.HARMED + cases.HARM for word in phrase.split()} | {"hate", "disgusting", "despise"}
    for index in range(begin, len(corpus)):
        text = corpus.texts[index]
        if rng.random() > (share if corpus.marks[index][LABELS.index("hate")] == 1 else share / 2) or len(text) > 120:
            continue
        way = rng.random()
        if way < 0.12:
            rewritten = evasion.glued(text)
        elif way < 0.24:
            rewritten = evasion.stretched(text, rng)
        elif way < 0.4:
            rewritten = evasion.leet_throughout(text, rng)
        else:
            rewritten = evasion.obfuscate(text, telling, rng)
        if rewritten != text:
            corpus.copy(index, f"respelt_{corpus.sources[index]}", rewritten)


def add_obfuscated(corpus, words, rng):
    """Copies with rewritten words, of texts short enough that the rewriting matters."""
    for index in range(len(corpus)):
        source, text = corpus.sources[index], corpus.texts[index]
        share = SHARE.get(source, 0.18 if source.startswith("functional") else 0)
        if len(text) > 300 or rng.random() > share * (2 if source == "jigsaw_train" and corpus.marks[index][0] == 1 else 1):
            continue
        named = words | {word for plural, adjective, _ in functional.GROUPS for word in (plural.lower(), adjective.lower())} | {"hate", "kill", "disgusting"} if source.startswith("functional") else words
        rewritten = evasion.joined(text, rng) if rng.random() < 0.08 else evasion.obfuscate(text, named, rng)
        if rewritten != text:
            corpus.copy(index, "obfuscated", rewritten)
