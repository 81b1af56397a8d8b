"""Referring datasets: annotations -> records -> samples -> batches. Adapters read public layouts."""

from image_core.data.table import open_dataset

__all__ = ["open_dataset"]
