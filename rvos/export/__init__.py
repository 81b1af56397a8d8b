"""What a run leaves on disk: the log, the pictures, the videos, and the folder that holds them."""

from rvos.export.base import Exporter
from rvos.export.table import EXPORTER_NAMES, build_exporters

__all__ = ["EXPORTER_NAMES", "Exporter", "build_exporters"]
