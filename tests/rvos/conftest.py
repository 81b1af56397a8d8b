"""A small image model that sees colours, short clips to show it, and the command line run in this process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from image_core.answer import MaskAnswer
from image_core.checkpoint import Provenance
from image_core.device import resolve_device
from image_core.device_names import Precision
from image_core.errors import DataError
from image_core.identity import ModelIdentity
from image_core.language.motion import TimedExpression
from image_core.mask_model import PACKAGED, PackagedModel, WeightsProvider
from image_core.models.base import FeatureModel
from image_core.preprocessing import Preprocessing
from image_core.segmenter import ImageSegmenter
from image_core.types import ImageFeatures, Prediction, TextFeatures
from image_core.weights import DEFAULT, find_model
from rvos.tracking.tracker import Tracker
from rvos.types import FrameResult
from rvos.video import image_sources
from rvos.view.frame_view import View

_DIRECTIONS = {"red": (1.0, -0.5, -0.5), "green": (-0.5, 1.0, -0.5), "blue": (-0.5, -0.5, 1.0)}
VOCABULARY = ("the", "thing", "red", "green", "blue", "purple")


class ColourModel(FeatureModel):
    """Segments what has the colour that an expression names; a target is present where some cell has it clearly."""

    def __init__(self) -> None:
        super().__init__(config=None)
        self.calls: Counter[str] = Counter()

    @property
    def size_multiple(self) -> int:
        return 4

    def encode_text(self, expressions: Sequence[str]) -> TextFeatures:
        self.calls["text"] += len(expressions)
        none = (0.0, 0.0, 0.0)
        lists = [[_DIRECTIONS.get(word, none) for word in text.split()] for text in expressions]
        words = torch.zeros(len(lists), max(map(len, lists)), 3)
        pad = torch.ones(words.shape[:2], dtype=torch.bool)
        for row, found in enumerate(lists):
            words[row, : len(found)] = torch.tensor(found)
            pad[row, : len(found)] = False
        return TextFeatures(words, words.sum(1), pad)

    def encode_stem(self, images: Tensor) -> Tensor:
        self.calls["stem"] += len(images)
        return F.avg_pool2d(images, 4)

    def encode_image(
        self,
        images: Tensor,
        text: TextFeatures | None = None,
        *,
        stem: Tensor | None = None,
        valid_px: Tensor | None = None,
    ) -> ImageFeatures:
        self.calls["image"] += len(images)
        cells = self.encode_stem(images) if stem is None else stem
        valid = torch.tensor([images.shape[-2:]] * len(images)) if valid_px is None else valid_px
        if self.fuses_language_in_encoder:
            assert text is not None, "an early-fusion model is given the text"
            pairs = len(images) * len(text)
            cells = cells.repeat_interleave(len(text), 0)
            return ImageFeatures((cells,), (4,), valid.repeat_interleave(len(text), 0)[:pairs], words=text)
        return ImageFeatures((cells,), (4,), valid)

    def decode(self, image: ImageFeatures, text: TextFeatures, targets: Any = None) -> Prediction:
        self.calls["decode"] += len(text)
        logits = torch.einsum("nchw,nc->nhw", image.levels[0], text.sentence) * 8 - 2
        peak = logits.flatten(1).amax(1)
        return Prediction(mask_logits=logits, presence_logit=peak, score=torch.sigmoid(peak))


class EarlyColourModel(ColourModel):
    """The same, with language inside the encoder."""

    fuses_language_in_encoder = True


@dataclass(frozen=True)
class Count:
    """On how many frames an expression has been present."""

    expression_index: int
    frames: int = 0


class CountingTracker(Tracker[Count]):
    """Writes into `score` on how many frames this expression has been present."""

    between_decodes = False

    def start(self, expression_index: int, expression: TimedExpression) -> Count:
        return Count(expression_index)

    def step(self, view: View, answer: MaskAnswer | None, state: Count) -> tuple[FrameResult, Count]:
        assert answer is not None
        frame, mask = view.frame, answer.mask(view.frame.size)
        state = replace(state, frames=state.frames + bool(mask.any()))
        result = FrameResult(frame.index, frame.time_s, state.expression_index, mask, state.frames, answer.presence)
        return result, state


@pytest.fixture
def counting_tracker() -> type[CountingTracker]:
    """A tracker with a state that shows in its results."""
    return CountingTracker


@pytest.fixture
def counter() -> CountingTracker:
    """One of them."""
    return CountingTracker()


@pytest.fixture
def segmenter_of() -> Callable[[ColourModel], ImageSegmenter]:
    """A model with preprocessing that pads, as an `ImageSegmenter` on the CPU."""

    def make(model: ColourModel) -> ImageSegmenter:
        preprocessing = Preprocessing(64, "keep_ratio", 16, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
        return ImageSegmenter(model, preprocessing, provenance=Provenance(words=VOCABULARY))

    return make


@pytest.fixture
def colour_segmenter(segmenter_of: Callable[[ColourModel], ImageSegmenter]) -> ImageSegmenter:
    return segmenter_of(ColourModel())


@pytest.fixture
def early_segmenter(segmenter_of: Callable[[ColourModel], ImageSegmenter]) -> ImageSegmenter:
    return segmenter_of(EarlyColourModel())


def draw(index: int, size: tuple[int, int] = (48, 80)) -> np.ndarray:
    """Frame `index`: a red square that moves to the right, a green one that stays, gone in every tenth frame."""
    image = np.full((*size, 3), 120, np.uint8)
    x = 2 + index % 50
    image[6:22, x : x + 16] = (230, 20, 20)
    if index % 10 != 9:
        image[28:44, 50:70] = (20, 220, 20)
    return image


@pytest.fixture
def frames() -> np.ndarray:
    """(12, 48, 80, 3) uint8 RGB."""
    return np.stack([draw(index) for index in range(12)])


@pytest.fixture
def breaking_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[np.ndarray, int], Path]:
    """Writes pictures as a folder whose picture `at` has a good header and cannot be decoded until `mend` is made."""
    folder = tmp_path / "pictures"
    read = image_sources.read_image

    def write(images: np.ndarray, at: int) -> Path:
        folder.mkdir()
        for index, image in enumerate(images):
            cv2.imwrite(str(folder / f"{index:03d}.png"), image[..., ::-1])
        broken, mended = folder / f"{at:03d}.png", tmp_path / "mended"

        def read_until_there(path: Path, *, apply_orientation: bool) -> np.ndarray:
            if path == broken and not mended.exists():
                raise DataError(f"{path}: not a picture that can be read")
            return read(path, apply_orientation=apply_orientation)

        monkeypatch.setattr(image_sources, "read_image", read_until_there)
        return folder

    return write


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip of `count` frames of `draw` and gives its path."""

    def write(count: int, name: str = "clip.mp4", keyint: int = 12) -> Path:
        path = tmp_path / name
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "12", "g": str(keyint), "bf": "0"})
            stream.height, stream.width = draw(0).shape[:2]
            stream.pix_fmt = "yuv420p"
            for index in range(count):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(draw(index), format="rgb24")))
            container.mux(stream.encode())
        return path

    return write


@dataclass(frozen=True)
class CommandOutcome:
    """What a command line left: its exit code, and the lines of stdout and stderr."""

    code: int
    out: list[str]
    err: list[str]


@pytest.fixture
def rvos(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    colour_segmenter: ImageSegmenter,
) -> Callable[..., CommandOutcome]:
    """Runs `rvos ARGUMENTS` in this process with the model that sees colours in place of all of ours."""

    def load(name: str | Path, device: str = "auto", precision: Precision = "fp32") -> ImageSegmenter:
        resolve_device(device)
        colour_segmenter.precision = precision
        return colour_segmenter

    def build(device: str, precision: Precision, weights: WeightsProvider) -> ImageSegmenter:
        return load(DEFAULT, device, precision)

    def found(name: str | Path) -> Path:
        return stand_in if str(name).replace("-", "_") == "s2rm_tiny" else find_model(name)

    identity = ModelIdentity(DEFAULT, "1", "colours")
    monkeypatch.setitem(PACKAGED, DEFAULT, PackagedModel(build, lambda: identity, has_features=True))
    stand_in = tmp_path / "colours.safetensors"
    stand_in.write_bytes(b"stands in for a model file")
    monkeypatch.setattr(ImageSegmenter, "load", staticmethod(load))
    monkeypatch.setattr("image_core.mask_model.find_model", found)
    monkeypatch.setenv("RVOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # no test asks a registry
    monkeypatch.chdir(tmp_path)

    return in_this_process(capsys)


@pytest.fixture
def offline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., CommandOutcome]:
    """Runs `rvos ARGUMENTS` in this process with our own models, without a network, and with the cache of the hub that
    is in `tmp_path / "hub"`."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("RVOS_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return in_this_process(capsys)


def in_this_process(capsys: pytest.CaptureFixture[str]) -> Callable[..., CommandOutcome]:
    """What runs `rvos ARGUMENTS` and gives what it said."""
    from rvos.cli import main

    def run(*arguments: str | Path) -> CommandOutcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return CommandOutcome(code, captured.out.splitlines(), captured.err.splitlines())

    return run
