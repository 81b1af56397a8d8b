"""CLIP from transformers as SpARC's scorer, one model or several whose logits are summed.

The published ensemble is ViT-B/32 with RN50x16. transformers has only the ViT models of CLIP, so the second has no
place here; "openai/clip-vit-base-patch32" with "openai/clip-vit-base-patch16" is what comes near.
transformers is imported only when a scorer is built: the import costs seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from image_core.device import resolve_device
from image_core.errors import ConfigError, RvosError


class ClipScorer:
    """A `Scorer`: the sum over the models of their logits, cosine times the learned temperature.

    names: hub names or local folders; batch: pictures at once. Raises `ConfigError` without a name, `RvosError` where
    the hub cannot be reached, a folder lacks a file, or holds something else than CLIP.
    """

    def __init__(self, names: Sequence[str], *, device: str = "auto", batch: int = 16) -> None:
        if not names:
            raise ConfigError("CLIP: expected a hub name or a folder, got no name")
        self.device = resolve_device(device)
        self.batch = batch
        self._members = [_read(name, self.device) for name in names]

    @torch.inference_mode()
    def scores(self, images: Sequence[np.ndarray], texts: Sequence[str]) -> np.ndarray:
        """N pictures (h, w, 3) uint8 RGB of any sizes and E texts -> (N, E) float64 logits."""
        total = sum(self._logits(processor, model, images, texts) for processor, model in self._members)
        assert isinstance(total, Tensor)
        return total.double().cpu().numpy()

    def _logits(self, processor: Any, model: Any, images: Sequence[np.ndarray], texts: Sequence[str]) -> Tensor:
        words = processor(text=list(texts), padding=True, truncation=True, return_tensors="pt").to(self.device)
        rows = []
        for start in range(0, len(images), self.batch):
            some = list(images[start : start + self.batch])
            # Crops can be a few pixels wide: the place of the channels must not be guessed from the shape.
            pictures = processor(images=some, input_data_format="channels_last", return_tensors="pt").to(self.device)
            rows.append(model(**words, **pictures).logits_per_image)
        return torch.cat(rows)


def _read(name: str, device: torch.device) -> tuple[Any, Any]:
    from transformers import CLIPConfig, CLIPModel, CLIPProcessor

    try:
        kind = CLIPConfig.get_config_dict(name)[0].get("model_type")
        if kind not in (None, "clip"):
            raise RvosError(f"CLIP '{name}': expected a model of type clip, got '{kind}'")
        model: Any = CLIPModel.from_pretrained(name, dtype=torch.float32)
        return CLIPProcessor.from_pretrained(name), model.to(device).eval()
    except (OSError, ValueError) as error:
        fix = "complete the folder" if Path(name).is_dir() else "connect to the network, or give a local folder"
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise RvosError(f"CLIP '{name}': cannot be read ({first}): {fix}") from error
