"""Obfuscated spellings of words, as people write them to get past filters. Used on training texts only."""

import random
import re

LEET = {"a": "@4", "e": "3", "i": "1!", "o": "0", "s": "$5", "t": "7", "u": "v", "l": "1", "b": "8", "g": "9"}
LOOKALIKE = {"a": "а", "c": "с", "e": "е", "i": "і", "o": "о", "p": "р", "x": "х", "y": "у", "s": "ѕ", "h": "һ"}
WORD = re.compile(r"[A-Za-z]{3,}")


def leet(word, rng):
    out = [rng.choice(LEET[c]) if c in LEET and rng.random() < 0.7 else c for c in word.lower()]
    return "".join(out)


def spaced(word, rng):
    return rng.choice([" ", " ", "  "]).join(word)


def punctuated(word, rng):
    mark = rng.choice(".-_*,'|")
    return mark.join(word) if rng.random() < 0.5 else "".join(c + (mark if rng.random() < 0.4 else "") for c in word[:-1]) + word[-1]


def repeated(word, rng):
    at = rng.randrange(len(word))
    return word[:at] + word[at] * rng.randint(2, 5) + word[at + 1 :]


def swapped(word, rng):
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 2)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def dropped(word, rng):
    if len(word) < 4:
        return word
    at = rng.randrange(1, len(word) - 1)
    return word[:at] + word[at + 1 :]


def masked(word, rng):
    star = rng.choice("*#*")
    vowels = [i for i, c in enumerate(word) if c in "aeiouAEIOU" and i]
    at = rng.choice(vowels) if vowels else len(word) // 2
    return word[:at] + star + word[at + 1 :]


def lookalike(word, rng):
    return "".join(LOOKALIKE.get(c, c) if rng.random() < 0.6 else c for c in word.lower())


TRICKS = [leet, spaced, punctuated, repeated, swapped, dropped, masked, lookalike]


def obfuscate(text, words, rng, share=0.8):
    """Rewrites the words of `words` that occur (whole, any case); when none does, one to three random words."""
    found = [match for match in WORD.finditer(text)]
    hits = [match for match in found if match.group().lower() in words]
    if not hits and found:
        hits = rng.sample(found, min(len(found), rng.randint(1, 3)))
    trick = rng.choice(TRICKS)
    for match in sorted(hits, key=lambda match: -match.start()):
        if rng.random() < share:
            text = text[: match.start()] + trick(match.group(), rng) + text[match.end() :]
    return text


def joined(text, rng):
    """Word boundaries lost."""
    words = text.split(" ")
    if len(words) < 3:
        return text
    at = rng.randrange(len(words) - 1)
    return " ".join(words[:at] + [words[at] + words[at + 1]] + words[at + 2 :])


def glued(text):
    """No word boundary left."""
    return "".join(text.split())


def stretched(text, rng):
    """A blank, or two, after every character."""
    return rng.choice([" ", " ", "  "]).join(text.replace(" ", "") if rng.random() < 0.5 else text)


def leet_throughout(text, rng):
    return WORD.sub(lambda match: leet(match.group(), rng) if rng.random() < 0.8 else match.group(), text)
