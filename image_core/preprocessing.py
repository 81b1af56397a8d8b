"""From images to network input: one frozen description that travels inside the checkpoint.

It is read with the settings of every command: torch is imported where an image is prepared.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from image_core.errors import ConfigError
from image_core.geometry.masks import resize_image, resize_masks

if TYPE_CHECKING:
    from torch import Tensor

Resize = Literal["squash", "keep_ratio", "short_side"]

CELL_PX = 4
"""`multiple` must be a multiple of this, the side of the finest cells of the encoders here."""


@dataclass(frozen=True)
class Preprocessing:
    """How an RGB image becomes the input of a network.

    resize:
      squash      exactly (size_px, size_px), the shape is distorted (LAVT, ReLA, CGFormer);
      keep_ratio  the longer side becomes size_px, then zeros (= the mean colour) at the bottom and the right up to
                  `multiple` (SeqTR);
      short_side  the shorter side becomes size_px at the image's own shape, each side rounded to `multiple`, no
                  padding; the longer side is at most 4 size_px, or a strip would cost without bound.

    Raises `ConfigError` for values that cannot be.
    """

    #: The side that `resize` refers to.
    size_px: int
    resize: Resize
    #: Height and width of the input are multiples of it.
    multiple: int
    #: RGB, of pixel values divided by `pixel_scale`.
    mean: tuple[float, float, float]
    #: RGB, of pixel values divided by `pixel_scale`.
    std: tuple[float, float, float]
    #: Pixel values are divided by it before `mean` and `std` are applied.
    pixel_scale: float = 255.0

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = tuple(float(v) for v in getattr(self, name))
            if len(values) != 3 or not all(math.isfinite(v) for v in values):
                raise ConfigError(
                    f"preprocessing.{name}: expected 3 finite numbers (R, G, B), got {getattr(self, name)}"
                )
            object.__setattr__(self, name, values)
        if self.resize not in get_args(Resize):
            raise ConfigError(
                f"preprocessing.resize: expected one of {', '.join(get_args(Resize))}, got '{self.resize}'"
            )
        if self.multiple < 1 or self.multiple % CELL_PX:
            raise ConfigError(f"preprocessing.multiple: expected a positive multiple of {CELL_PX}, got {self.multiple}")
        if self.size_px < self.multiple:
            raise ConfigError(f"preprocessing.size_px: expected multiple ({self.multiple}) or more, got {self.size_px}")
        if self.resize == "squash" and self.size_px % self.multiple:
            raise ConfigError(
                f"preprocessing.size_px: expected a multiple of {self.multiple} to squash to, got {self.size_px}"
            )
        if min(self.std) <= 0:
            raise ConfigError(f"preprocessing.std: expected positive numbers, got {self.std}")
        if self.pixel_scale <= 0:
            raise ConfigError(f"preprocessing.pixel_scale: expected a positive number, got {self.pixel_scale}")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` gives the same object back."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """The inverse of `to_dict`. Raises `ConfigError` on missing, unknown or impossible values."""
        try:
            return cls(**values)
        except TypeError as error:
            raise ConfigError(
                f"preprocessing: expected the fields of Preprocessing, got {sorted(values)} ({error})"
            ) from error

    def content_size(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) the image itself is resized to, before padding."""
        if self.resize == "squash":
            return self.size_px, self.size_px
        if self.resize == "keep_ratio":
            scale = self.size_px / max(height, width)
            return max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))
        scale = self.size_px / min(height, width)
        longest = 4 * self.size_px
        return self._rounded(min(height * scale, longest)), self._rounded(min(width * scale, longest))

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """(h, w) of the network input, padding included; both divide by `multiple`."""
        h, w = self.content_size(height, width)
        return -(-h // self.multiple) * self.multiple, -(-w // self.multiple) * self.multiple

    def _rounded(self, side: float) -> int:
        return max(self.multiple, math.floor(side / self.multiple + 0.5) * self.multiple)

    def prepare(self, image: np.ndarray) -> tuple[Tensor, tuple[int, int]]:
        """(H, W, 3) uint8 RGB -> ((3, h, w) float32 normalised, (h, w) of the part that is not padding)."""
        import torch

        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise ValueError(f"image: expected uint8 (H, W, 3), got {image.dtype} {image.shape}")
        valid = self.content_size(*image.shape[:2])
        content = torch.tensor(np.ascontiguousarray(resize_image(image, valid))).permute(2, 0, 1)
        mean = torch.tensor(self.mean)[:, None, None]
        std = torch.tensor(self.std)[:, None, None]
        normalised = (content.float() / self.pixel_scale - mean) / std
        return pad_to(normalised, self.target_size(*image.shape[:2])), valid

    def prepare_masks(self, masks: np.ndarray) -> Tensor:
        """(E, H, W) bool -> (E, h, w) float32 in {0, 1} at the size `prepare` gives; 0 on padding.

        The rule is `geometry.masks.resize_masks`: on where at least half is covered, and never emptied.
        """
        from image_core.geometry.planes import masks_to_tensor

        height, width = masks.shape[1:]
        content = masks_to_tensor(resize_masks(masks, self.content_size(height, width)))
        return pad_to(content, self.target_size(height, width))


def pad_to(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., h, w) -> (..., H, W), zeros at the bottom and the right. Raises `ValueError` when it is larger already."""
    h, w = planes.shape[-2:]
    if h > size[0] or w > size[1]:
        raise ValueError(f"pad_to: expected at most {size[0]} x {size[1]}, got {h} x {w}")
    if (h, w) == size:
        return planes
    padded = planes.new_zeros((*planes.shape[:-2], *size))
    padded[..., :h, :w] = planes
    return padded
