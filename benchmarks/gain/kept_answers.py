"""What an image model answers on the frames of real clips, kept on disk so that it is asked once."""

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
"""The sources that the answers of a packaged model depend on, beside its weights."""


class KeptAnswers:
    """What a model answers on the frames of clips: asked once, then read from a folder.

    model: as `--model` takes it; load: makes it, when the first frame has to be asked. The folder is named after what
    the answers depend on: the model's identity and the code of this repository that perceives.
    """

    def __init__(self, model: str, load: Callable[[], MaskModel], folder: Path) -> None:
        self.identity = {"model": identify_model(model).document(), "code_sha256": _code_sha256()}
        self._folder = folder / hashlib.sha256(json.dumps(self.identity).encode()).hexdigest()[:12]
        self._load = load
        self._model: MaskModel | None = None

    def of(self, clip: RealClip, question: str, every: int = 1) -> list[MaskAnswer]:
        """T answers; where `every` is more than 1, those of every so many frames alone.

        question: the clip's expression, or what is asked for it where motion is judged by a tracker.
        """
        return [self.of_frame(clip, question, t) for t in range(0, len(clip.images), every)]

    def of_frame(self, clip: RealClip, question: str, index: int) -> MaskAnswer:
        """The answer of one frame. The model is asked both questions of a clip at once."""
        image = clip.images[index]
        seen = hashlib.sha256(str(image.shape).encode() + image.tobytes())

        def path_of(asked: str) -> Path:
            of_both = seen.copy()
            of_both.update(asked.encode())
            return self._folder / clip.name / f"{index:05d}-{of_both.hexdigest()[:12]}"

        if not path_of(question).is_file():
            if self._model is None:
                self._model = self._load()
            both = list(dict.fromkeys([question, clip.expression, parse_timed(clip.expression).still]))
            for asked, answer in zip(both, ask(self._model, image, both), strict=True):
                make_folder(path_of(asked).parent)
                write_atomic(path_of(asked), zlib.compress(to_bytes(answer), 1))
        return from_bytes(MaskAnswer, zlib.decompress(path_of(question).read_bytes()))


def _code_sha256() -> str:
    digest = hashlib.sha256()
    for name in PERCEPTION:
        path = REPOSITORY / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(REPOSITORY).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
