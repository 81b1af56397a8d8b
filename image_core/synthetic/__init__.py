"""Scenes that make their own pictures, masks and expressions: the embedded data set."""

from image_core.synthetic.dataset import SyntheticImages

__all__ = ["SyntheticImages"]
