"""A small pair of image and text encoders like CLIP's, for synthetic images: SpARC's scorer where there is no CLIP.

An image becomes a grid of vectors and a text one vector. Their score is the soft maximum (log-mean-exp) of the
similarities over the grid. Images contain several objects and a text names one, so a vector of the whole image, as
in CLIP, would carry little information after a short training. See `pair_training` for the training.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from image_core.device import resolve_device
from image_core.encoders.gru import build_gru_encoder
from image_core.encoders.vision import build_vision_encoder
from image_core.errors import CheckpointError
from image_core.files import write_atomic

_KEY = "rvos_image_text_pair"
_BATCH = 64
_LARGEST_SCALE = 50.0


@dataclass(frozen=True)
class PairConfig:
    """Sizes of the pair."""

    size_px: int = 128  # side of the square that every image is squashed to
    width: int = 96  # of the common space
    text_width: int = 96  # numbers of a word vector, and of each direction of the GRU
    max_words: int = 32  # word pieces of a text

    def __post_init__(self) -> None:
        if self.size_px < 16 or self.size_px % 16 or min(self.width, self.text_width, self.max_words) < 1:
            raise ValueError(f"PairConfig: expected size_px a multiple of 16 and positive sizes, got {self}")


class ImageTextPair(nn.Module):
    """The tiny image encoder at strides 8 and 16, a GRU over word pieces, and a learned temperature."""

    def __init__(self, config: PairConfig, tokenizer_json: str | None = None) -> None:
        super().__init__()
        self.config = config
        self.vision = build_vision_encoder("tiny", levels=3)
        _, fine, coarse = self.vision.channels
        self.fine = nn.Conv2d(fine, config.width, 1)
        self.coarse = nn.Conv2d(coarse, config.width, 1)
        options = {"embedding": config.text_width, "hidden": config.text_width}
        self.text = build_gru_encoder(max_words=config.max_words, options=options, tokenizer_json=tokenizer_json)
        self.project_text = nn.Linear(self.text.channels, config.width)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10.0)))

    def encode_images(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] -> (B, cells, width), each cell of length 1."""
        mean, std = (images.new_tensor(values)[:, None, None] for values in (self.vision.mean, self.vision.std))
        _, fine, coarse = self.vision((images - mean) / std)
        cells = self.fine(fine) + F.interpolate(self.coarse(coarse), scale_factor=2, mode="nearest")
        return F.normalize(cells.flatten(2).transpose(1, 2), dim=-1)

    def encode_texts(self, texts: Sequence[str]) -> Tensor:
        """E texts -> (E, width), each of length 1."""
        return F.normalize(self.project_text(self.text(texts).sentence), dim=-1)

    def fit(self, cells: Tensor, texts: Tensor) -> Tensor:
        """(B, cells, width) and (E, width) -> (B, E) logits: the soft maximum over the cells."""
        scale = self.log_scale.exp().clamp(max=_LARGEST_SCALE)
        similar = torch.einsum("bkc,ec->bek", cells, texts) * scale
        return similar.logsumexp(-1) - math.log(cells.shape[1])


def as_input(images: Sequence[np.ndarray], size_px: int) -> Tensor:
    """Images (h, w, 3) uint8 RGB of any sizes -> (B, 3, size_px, size_px) float in [0, 1], squashed."""
    squashed = [cv2.resize(p, (size_px, size_px), interpolation=cv2.INTER_AREA) for p in images]
    return torch.from_numpy(np.stack(squashed)).permute(0, 3, 1, 2).float() / 255


def blur(image: np.ndarray, std_px: float) -> np.ndarray:
    """(H, W, 3) uint8 -> the same, blurred all over as the surroundings of a proposal are."""
    return cv2.GaussianBlur(image, (0, 0), std_px)


class PairScorer:
    """The pair as a `Scorer`."""

    def __init__(self, pair: ImageTextPair, device: torch.device | str = "cpu") -> None:
        self.pair = pair.to(device).eval()
        self.device = torch.device(device)

    @torch.inference_mode()
    def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        """N images (h, w, 3) uint8 RGB and E texts -> (N, E) float64 logits."""
        words = self.pair.encode_texts(texts)
        logits = []
        for start in range(0, len(images), _BATCH):
            inputs = as_input(images[start : start + _BATCH], self.pair.config.size_px).to(self.device)
            logits.append(self.pair.fit(self.pair.encode_images(inputs), words))
        return torch.cat(logits).double().cpu().numpy()


def save_pair(path: Path, pair: ImageTextPair, provenance: Mapping[str, Any]) -> None:
    """Write one safetensors file that rebuilds the pair: sizes, tokenizer and provenance in its header."""
    header = {
        "pair": asdict(pair.config),
        "tokenizer": pair.text.tokenizer_json(),
        "provenance": dict(provenance),
    }
    state = {key: value.detach().cpu().contiguous() for key, value in pair.state_dict().items()}
    write_atomic(path, save(state, metadata={_KEY: json.dumps(header)}))


def load_pair(path: Path) -> tuple[ImageTextPair, dict[str, Any]]:
    """The pair of a file, in eval mode, and its provenance. Raises `CheckpointError` for any other file."""
    if not path.is_file():
        raise CheckpointError(f"image-text pair {path}: not there; make one with tools/train_image_text_pair.py")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        header = json.loads(metadata[_KEY])
        pair = ImageTextPair(PairConfig(**header["pair"]), header["tokenizer"])
        pair.load_state_dict(state)
        return pair.eval(), header["provenance"]
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"image-text pair {path}: no file of tools/train_image_text_pair.py ({type(error).__name__}: {reason}); "
            "give one of those, or a folder or hub name of CLIP"
        ) from error


def load_pair_scorer(path: Path, device: str = "auto") -> PairScorer:
    """The `Scorer` of a file. Raises `CheckpointError` as `load_pair`, `ConfigError` for a device that is not there."""
    return PairScorer(load_pair(path)[0], resolve_device(device))
