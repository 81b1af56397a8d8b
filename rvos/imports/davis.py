"""Id maps as the masks of a video: a folder of PNGs as in DAVIS, one id per target."""

from __future__ import annotations

from pathlib import Path

from image_core.entries import entries_of
from image_core.errors import DataError
from image_core.geometry.mask_files import MaskEncoding, read_mask
from rvos.imports.annotations import Annotations, MaskCollector
from rvos.types import object_targets


def read_davis(path: Path) -> Annotations:
    """Read a folder of PNGs, or a tree of one sequence in DAVIS' layout. The number that is a PNG's name is the index
    of its frame; ids are targets, 255 is of none (docs/masks.md). Raises `DataError`."""
    folder = _folder_of(path)
    files = [entry for entry in entries_of(folder) if entry.suffix.lower() == ".png"]
    if not files:
        raise DataError(f"{folder}: expected PNGs of ids, got none: name the folder that they lie in")
    wrong = [file.name for file in files if not (file.stem.isascii() and file.stem.isdecimal())]
    if wrong:
        raise DataError(
            f"{folder}: expected names such as 00012.png, the index of the frame, got '{wrong[0]}': rename it"
        )
    indices = [int(file.stem) for file in files]
    if len(set(indices)) < len(indices):
        raise DataError(f"{folder}: expected one PNG per frame, got two of one number: remove one")
    meaning = MaskEncoding.of(read_mask(file) for file in files)
    collector = MaskCollector()
    for index, file in zip(indices, files, strict=True):
        ids = meaning.ids(read_mask(file))
        for target_index, object_id in enumerate(meaning.object_ids):
            mask = ids == object_id
            if mask.any():
                collector.add(index, target_index, mask)
    if not meaning.object_ids:
        raise DataError(f"{folder}: expected ids of objects, got none in any PNG: choose another folder")
    return Annotations(path, object_targets(meaning.object_ids), collector.masks)


def _folder_of(path: Path) -> Path:
    """The folder of PNGs: the path itself, or the only sequence of the tree."""
    for resolution in ("480p", "Full-Resolution", ""):
        tree = path / "Annotations" / resolution
        if not tree.is_dir():
            continue
        sequences = [entry for entry in entries_of(tree) if entry.is_dir()]
        if len(sequences) != 1:
            raise DataError(f"{tree}: expected one sequence, got {len(sequences)}: name the folder of its PNGs")
        return sequences[0]
    return path
