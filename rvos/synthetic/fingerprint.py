"""One number for all that the generator makes: results that carry different ones cannot be compared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from rvos.synthetic.dataset import SyntheticVideos, VideoDescription
from rvos.synthetic.drawing import draw_frames
from rvos.synthetic.severity import FAMILIES, SEVERITY, Severity

_TIMES = (3, 20)
_SIZE = (72, 128)
_DIGITS = 6


def generator_sha256(severity: Severity = SEVERITY) -> str:
    """SHA-256 over the severities and over one training video of each family: its animation, its expressions and their
    truth, and two small frames.

    Numbers of the animation are rounded to 6 digits; the frames are exact, so that another drawing library is another
    generator. It reads no video of the validation or test ranges.
    """
    digest = hashlib.sha256(repr(severity).encode())
    videos = SyntheticVideos("train", severity=severity, size=_SIZE)
    for index in range(len(FAMILIES)):
        described = videos.describe(index)
        for part in _hashed_parts(described):
            digest.update(part)
        digest.update(draw_frames(described.animation, _SIZE, _TIMES).tobytes())
    return digest.hexdigest()


def _hashed_parts(described: VideoDescription) -> Iterator[bytes]:
    animation = described.animation
    for array in (animation.camera, animation.gains, *(moving.poses for moving in animation.objects)):
        # Adding zero makes one of the two zeros.
        yield (np.round(array, _DIGITS) + 0.0).tobytes()
    for expression in described.expressions:
        answers = [None if ids is None else sorted(ids) for ids in expression.answers]
        yield repr((expression.text, expression.kind, expression.object_ids, answers)).encode()
