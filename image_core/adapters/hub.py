"""What stands behind `hub:` in `--model`, and the model that it names. Its networks are imported when one is read: a
wrong short name costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from image_core.device_names import Precision
from image_core.errors import ConfigError
from image_core.hub.catalogue import HUB_MODELS, hub_model
from image_core.identity import ModelIdentity
from image_core.mask_model import Adapter, MaskModel, WeightsProvider

if TYPE_CHECKING:
    from image_core.adapters.grounded_pairs import Parts
    from image_core.hub.loading import Placement
    from image_core.hub.sources import Source


def _standalone_adapters() -> dict[str, tuple[str, Callable[[Source, ModelIdentity, Placement], MaskModel]]]:
    """By `model_type`: name and builder of the networks that are a model without another one."""
    from image_core.adapters import clipseg, sam3

    return {
        **dict.fromkeys(clipseg.MODEL_TYPES, (clipseg.NAME, clipseg.build)),
        **dict.fromkeys(sam3.MODEL_TYPES, (sam3.NAME, sam3.build)),
    }


def sources_of(text: str) -> list[Source]:
    """The networks that are named: a short name, a folder, or these and OWNER/NAME[@COMMIT] joined by +.

    Raises `UnknownNameError` for a name without owner that is no short one, and what `find_source` raises.
    """
    from image_core.hub.sources import find_source

    return [find_source(name) for name in _names(text)]


def check(text: str) -> None:
    """Raise `UnknownNameError` for a name without owner that is not a short one. No request is sent to the hub."""
    _names(text)


def _names(text: str) -> list[str]:
    parts = [text] if _is_folder(text) else text.split("+")
    return [name for part in parts for name in _expand(part)]


def _expand(part: str) -> list[str]:
    if part in HUB_MODELS or not ("/" in part or _is_folder(part)):
        return [repository.name for repository in hub_model(part).repositories]
    return [part]


def _is_folder(text: str) -> bool:
    return bool(text) and Path(text).is_dir()


def resolve(text: str, device: str, precision: Precision, weights: WeightsProvider) -> MaskModel:
    """The model behind `hub:TEXT`, downloaded where it is not here yet. weights: gives the packaged masker.

    Raises `UnknownNameError`, `ConfigError` or `CheckpointError`, in one line, and what `weights` raises.
    """
    check(text)
    from image_core.adapters import grounded_pairs
    from image_core.hub.loading import Placement

    placement = Placement(device, precision)
    sources, standalone = sources_of(text), _standalone_adapters()
    if len(sources) == 1 and sources[0].model_type in standalone:
        name, build = standalone[sources[0].model_type]
        return build(sources[0], _identity(text, sources[0], name), placement)
    parts = _parts(text, sources)
    return grounded_pairs.build(parts, parts.identity(f"hub:{text}"), placement, weights)


def identify(text: str) -> ModelIdentity:
    """What a run records of the model behind `hub:TEXT`, known without its weights. Raises as `resolve` does."""
    sources, standalone = sources_of(text), _standalone_adapters()
    if len(sources) == 1 and sources[0].model_type in standalone:
        return _identity(text, sources[0], standalone[sources[0].model_type][0])
    return _parts(text, sources).identity(f"hub:{text}")


def _identity(text: str, source: Source, adapter: str) -> ModelIdentity:
    return ModelIdentity(f"hub:{text}", source.revision, adapter, source.licence)


def _parts(text: str, sources: list[Source]) -> Parts:
    from image_core.adapters import grounded_pairs

    supported = {*_standalone_adapters(), *grounded_pairs.ROLES}
    for source in sources:
        if source.model_type not in supported:
            raise ConfigError(
                f"model 'hub:{text}': expected one of {', '.join(sorted(supported))}, got {source.name}, which is a "
                f"'{source.model_type}'"
            )
    return grounded_pairs.Parts.of(sources)


HUB = Adapter(resolve, identify, check, is_slow=True)
