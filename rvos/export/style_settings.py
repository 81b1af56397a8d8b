"""`OverlayStyle` from `key=value` texts, whose keys are the names of its fields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from image_core.errors import ConfigError, UnknownNameError
from rvos.export.style import OVERLAY_STYLE, Colour, OverlayStyle

STYLE_SETTINGS: dict[str, Any] = {field.name: getattr(OVERLAY_STYLE, field.name) for field in fields(OverlayStyle)}
"""Name of a setting -> its default."""


def style_of(settings: Sequence[str]) -> OverlayStyle:
    """The default style with some settings changed: `fill_alpha=0.3`, `labels=true`, `colours=#ff0000,#00aaff`.

    Raises `UnknownNameError` for a key that is not a field, `ConfigError` for a value that the field cannot have.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set: expected KEY=VALUE, for example fill_alpha=0.3, got '{setting}'")
        if key not in STYLE_SETTINGS:
            raise UnknownNameError("style setting", key, list(STYLE_SETTINGS))
        values[key] = _parse_value(key, text)
    return replace(OVERLAY_STYLE, **values)


def _parse_value(key: str, text: str) -> Any:
    match STYLE_SETTINGS[key]:
        case bool():
            if text not in ("true", "false"):
                raise ConfigError(f"{key}: expected true or false, got '{text}'")
            return text == "true"
        case int() | float() as default:
            try:
                return type(default)(text)
            except ValueError as error:
                raise ConfigError(f"{key}: expected a number, got '{text}'") from error
        case tuple() as colours if isinstance(colours[0], tuple):
            return tuple(_parse_colour(key, part) for part in text.split(","))
        case _:
            return _parse_colour(key, text)


def _parse_colour(key: str, text: str) -> Colour:
    if not re.fullmatch("#[0-9a-fA-F]{6}", text):
        raise ConfigError(f"{key}: expected colours as #rrggbb, separated by commas, got '{text}'")
    red, green, blue = bytes.fromhex(text[1:])
    return red, green, blue
