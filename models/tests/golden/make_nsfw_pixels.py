"""Decodes the photos for make_nsfw.mjs.

    python3 -m venv pixels && . pixels/bin/activate && pip install Pillow==13.0.0
    python make_nsfw_pixels.py ../../../datasets/photos pixels full

Writes two folders of PNG files: the photos reduced to at most 144 pixels a side (`pixels`, committed, so that the test and
nsfwjs see exactly the same pixels), and the photos as they are (`full`, not committed; libjpeg-turbo, as in browsers).
"""

import pathlib
import sys

from PIL import Image


def main(photos, small, full):
    for folder in (small, full):
        pathlib.Path(folder).mkdir(exist_ok=True)
    for path in sorted(pathlib.Path(photos).glob("*.jpg")):
        image = Image.open(path).convert("RGB")
        image.save(f"{full}/{path.stem}.png")
        image.thumbnail((144, 144), Image.Resampling.LANCZOS)
        image.save(f"{small}/{path.stem}.png", optimize=True)


main(*sys.argv[1:])
