"""One number for all that the generator of images makes: results that carry different ones cannot be compared."""

from __future__ import annotations

import hashlib
from functools import cache

from image_core.synthetic.dataset import SyntheticImages

_PICTURES = 12
_SIZE = (64, 64)
_DIGITS = 6


@cache
def pictures_sha256() -> str:
    """SHA-256 over some training images: their objects, their expressions with what each means, and their pixels.

    Numbers of objects are rounded to 6 digits; pixels are exact, so that another drawing library is another generator.
    It reads no image of the other splits.
    """
    digest = hashlib.sha256()
    images = SyntheticImages("train", size=_SIZE)
    for drawn in map(images.draw, range(_PICTURES)):
        for o in drawn.scene.objects:
            placed = [round(number, _DIGITS) for number in (o.x, o.y, o.size, o.rotation)]
            digest.update(repr((o.id, o.shape, o.colour, o.fill, placed)).encode())
        for e in drawn.expressions:
            digest.update(repr((e.text, e.family, sorted(e.targets))).encode())
        digest.update(drawn.image.tobytes())
        digest.update(drawn.visible.tobytes())
    return digest.hexdigest()
