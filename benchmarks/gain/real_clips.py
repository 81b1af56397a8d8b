"""Real clips with true masks, and what an image model answers on their frames, kept so that it is asked once."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from benchmarks.harness.machine import REPOSITORY
from image_core.answer import MaskAnswer
from image_core.errors import DataError
from image_core.files import make_folder, write_atomic
from image_core.mask_model import MaskModel, ask, identify_model
from image_core.state import from_bytes, to_bytes
from rvos.types import Frame

RATE = 24.0
SENTENCES = {
    "breakdance": "a boy in a red tshirt performing a breakdance",
    "camel": "a camel moving",
    "car-roundabout": "a black car moving through a roundabout",
    "car-shadow": "a white car crossing a signal",
    "dance-twirl": "a girl in a blue dress twirling",
    "dog": "a dog walking",
    "libby": "a dog running",
}
"""What Ref-DAVIS17 (Khoreva et al., ACCV 2018) asks of the one object of each clip."""
PERCEPTION = ("image_core/grounded", "image_core/language", "image_core/weak", "image_core/answer.py")
"""The sources that the answers of a packaged model depend on, beside its weights."""


@dataclass(frozen=True)
class RealClip:
    """A clip of T frames with one object."""

    name: str
    expression: str
    #: (T, H, W, 3) uint8 RGB
    images: np.ndarray
    #: (T, H, W) bool, empty where the object is not to be seen.
    masks: np.ndarray

    @cached_property
    def frames(self) -> tuple[Frame, ...]:
        """T of them."""
        return tuple(Frame(t, t / RATE, image) for t, image in enumerate(self.images))


def read_clips(root: Path, names: Iterable[str]) -> list[RealClip]:
    """The clips `<root>/<name>/frames/*.jpg` with `masks/*.png` (0 / 255) beside them.

    A clip's expression is that of `SENTENCES`, else the text of `<root>/<name>/expression.txt`. Raises `DataError`.
    """
    return [_read(root / name) for name in names]


def clips_in(root: Path) -> list[str]:
    """The names of all clips in a folder."""
    return sorted(p.name for p in root.iterdir() if (p / "frames").is_dir() and (p / "masks").is_dir())


def _read(folder: Path) -> RealClip:
    images = [cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) for path in sorted((folder / "frames").glob("*.jpg"))]
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted((folder / "masks").glob("*.png"))]
    if not images or len(images) != len(masks):
        raise DataError(f"{folder}: expected as many frames/*.jpg as masks/*.png, got {len(images)} and {len(masks)}")
    written = folder / "expression.txt"
    expression = written.read_text().strip() if written.is_file() else SENTENCES.get(folder.name, "")
    if not expression:
        raise DataError(f"{folder}: expected a known clip or an expression.txt, got neither: write what is asked there")
    return RealClip(folder.name, expression, np.stack(images), np.stack(masks) > 127)  # pyright: ignore[reportArgumentType, reportCallIssue]


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

    def of(self, clip: RealClip, every: int = 1) -> list[MaskAnswer]:
        """T answers; where `every` is more than 1, those of every so many frames alone."""
        return [self.of_frame(clip, t) for t in range(0, len(clip.images), every)]

    def of_frame(self, clip: RealClip, index: int) -> MaskAnswer:
        """The answer of one frame."""
        image = clip.images[index]
        asked = hashlib.sha256(clip.expression.encode() + str(image.shape).encode() + image.tobytes()).hexdigest()
        path = self._folder / clip.name / f"{index:05d}-{asked[:12]}"
        if path.is_file():
            return from_bytes(MaskAnswer, zlib.decompress(path.read_bytes()))
        if self._model is None:
            self._model = self._load()
        (answer,) = ask(self._model, image, [clip.expression])
        make_folder(path.parent)
        write_atomic(path, zlib.compress(to_bytes(answer), 1))
        return answer


def _code_sha256() -> str:
    digest = hashlib.sha256()
    for name in PERCEPTION:
        path = REPOSITORY / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            digest.update(file.relative_to(REPOSITORY).as_posix().encode() + file.read_bytes())
    return digest.hexdigest()
