"""The answers of an image model on the frames of real clips, cached on disk."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness.machine import REPOSITORY
from benchmarks.harness.real_clips import RealClip
from image_core.answer import MaskAnswer
from image_core.files import make_folder, write_atomic
from image_core.language.motion_parser import parse_timed
from image_core.mask_model import MaskModel, ask, identify_model
from image_core.state import from_bytes, to_bytes

PERCEPTION = ("image_core/grounded", "image_core/language", "image_core/weak", "image_core/answer.py")
"""The code that the answers of a packaged model depend on, beside its weights."""


class KeptAnswers:
    """The answers of a model on the frames of clips: computed once, then read from a folder.

    model: as `--model` takes it; load: builds it, called when the first answer has to be computed. The folder is named
    by what the answers depend on: the identity of the model and the code of `PERCEPTION`.
    """

    def __init__(self, model: str, load: Callable[[], MaskModel], folder: Path) -> None:
        self.identity = {"model": identify_model(model).document(), "code_sha256": _code_sha256()}
        self._folder = folder / hashlib.sha256(json.dumps(self.identity).encode()).hexdigest()[:12]
        self._load = load
        self._model: MaskModel | None = None

    def of(self, clip: RealClip, question: str, every: int = 1) -> list[MaskAnswer]:
        """The answers on every `every`-th frame.

        question: the clip's expression, or its still part for a tracker that interprets words of motion.
        """
        return [self.of_frame(clip, question, t) for t in range(0, len(clip.images), every)]

    def of_frame(self, clip: RealClip, question: str, index: int) -> MaskAnswer:
        """The answer on one frame. Both questions of a clip are answered in one call."""
        image = clip.images[index]
        seen = hashlib.sha256(str(image.shape).encode() + image.tobytes())

        def path_of(one: str) -> Path:
            of_both = seen.copy()
            of_both.update(one.encode())
            return self._folder / clip.name / f"{index:05d}-{of_both.hexdigest()[:12]}"

        if not path_of(question).is_file():
            if self._model is None:
                self._model = self._load()
            both = list(dict.fromkeys([question, clip.expression, parse_timed(clip.expression).still]))
            for one, answer in zip(both, ask(self._model, image, both), strict=True):
                make_folder(path_of(one).parent)
                write_atomic(path_of(one), zlib.compress(to_bytes(answer), 1))
        return from_bytes(MaskAnswer, zlib.decompress(path_of(question).read_bytes()))


def _code_sha256() -> str:
    digest = hashlib.sha256()
    for name in PERCEPTION:
        path = REPOSITORY / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(REPOSITORY).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
