"""Emoji as words, one code point at a time, as `models/src/text.rs` does it: BERT's vocabulary holds hardly any emoji."""

import emoji

TONES = dict(zip("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff", ("light", "medium-light", "medium", "medium-dark", "dark")))
NAMES = {c: data["en"].strip(":").replace("_", " ") for c, data in emoji.EMOJI_DATA.items() if len(c) == 1 and not c.isascii()}
NAMES.update({c: f"{tone} skin tone" for c, tone in TONES.items()})


def spell(text):
    if text.isascii():
        return text
    return "".join(f" {NAMES[c]} " if c in NAMES else c for c in text)
