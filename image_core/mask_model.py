"""The small law of image models, and how the text behind `--model` becomes one.

Whoever has a model that segments a picture by expressions writes a class with `segment`, and it works in videos,
evaluations and benchmarks, on the command line and in Python:

    class Brightest:
        def segment(self, image, expressions):
            return [MaskAnswer.of_mask(image.mean(2) > 200) for _ in expressions]

A model may offer more, and what it offers is used: `segment_many(images, expressions)` where a batch pays, F pictures
and the expressions of each; `describe()`, a `ModelIdentity`; `unseen_words(expressions)`, the words that it does not
know.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np

from image_core.answer import MaskAnswer, check_answers
from image_core.device import Precision
from image_core.errors import ConfigError
from image_core.identity import ModelIdentity, digest_of, file_identity
from image_core.segmenter import ImageSegmenter, find_model

HUB = "hub:"


@runtime_checkable
class MaskModel(Protocol):
    """Segments a picture by expressions. It holds no state between calls: an answer depends on its arguments alone."""

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> Sequence[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers, in their order."""
        ...


def ask(model: MaskModel, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
    """What a model answers, checked. Raises `TypeError` or `ValueError` for anything but an answer an expression."""
    return check_answers(model.segment(image, expressions), expressions, type(model).__name__)


def ask_many(
    model: MaskModel, images: Sequence[np.ndarray], expressions: Sequence[Sequence[str]]
) -> list[list[MaskAnswer]]:
    """`ask` of F pictures, each with expressions of its own: in one call where the model offers `segment_many`."""
    many = getattr(model, "segment_many", None)
    if many is None:
        return [ask(model, image, own) for image, own in zip(images, expressions, strict=True)]
    owner, answers = type(model).__name__, list(many(images, expressions))
    if len(answers) != len(images):
        raise ValueError(f"{owner}.segment_many: expected {len(images)} lists, one a picture, got {len(answers)}")
    return [check_answers(given, own, owner) for given, own in zip(answers, expressions, strict=True)]


def describe(model: MaskModel) -> ModelIdentity:
    """What a run records of a model that is there: what it tells of itself, else the name of its class."""
    told = getattr(model, "describe", None)
    identity = told() if callable(told) else ModelIdentity(_name_of(type(model)))
    if not isinstance(identity, ModelIdentity):
        raise TypeError(f"{type(model).__name__}.describe: expected a ModelIdentity, got {type(identity).__name__}")
    return identity


def unseen_words(model: MaskModel, expressions: Sequence[str]) -> list[str]:
    """The words that a model says it does not know; [] where it says nothing."""
    told = getattr(model, "unseen_words", None)
    return [] if told is None else [str(word) for word in told(expressions)]


def resolve_model(name: str | Path, device: str = "auto", precision: Precision = "fp32") -> MaskModel:
    """The model that `--model` names, ready to be asked: an embedded name, a model file, `hub:NAME`, or
    `module:factory`.

    Raises `UnknownNameError`, `CheckpointError` or `ConfigError`, in one line.
    """
    _refuse_hub(name)
    if is_python(name):
        return _from_python(PythonName.parse(str(name)), device, precision)
    return ImageSegmenter.load(name, device, precision)


def identify_model(name: str | Path) -> ModelIdentity:
    """What a run records of the model that `--model` names, known before its weights are loaded. Raises as
    `resolve_model` does."""
    _refuse_hub(name)
    if is_python(name):
        return PythonName.parse(str(name)).identity()
    return file_identity(str(name), find_model(name))


def is_python(name: str | Path) -> bool:
    """`module:factory`, and no path: a file of that name would be a model file."""
    module, sign, attribute = str(name).partition(":")
    names = [*module.split("."), *attribute.split(".")]
    return bool(sign) and all(part.isidentifier() for part in names) and not Path(name).exists()


def _refuse_hub(name: str | Path) -> None:
    if str(name).startswith(HUB):
        raise ConfigError(
            f"model '{name}': expected an embedded name, a model file or module:factory, got a model of a hub, "
            "and this version has no adapter for one"
        )


@dataclass(frozen=True)
class PythonName:
    """`module:attribute`, of a module that can be imported from here."""

    module: str
    attribute: str

    @classmethod
    def parse(cls, text: str) -> PythonName:
        """The inverse of `str`."""
        module, _, attribute = text.partition(":")
        return cls(module, attribute)

    def __str__(self) -> str:
        return f"{self.module}:{self.attribute}"

    def identity(self) -> ModelIdentity:
        """By the source of its module, so that a run notices when it is edited."""
        source = self.imported().__file__
        return ModelIdentity(str(self), digest_of(Path(source)) if source else "", "python")

    def imported(self) -> ModuleType:
        """The module, imported because the user asked for it; modules of the current folder are among those found.

        Raises `ConfigError` where there is none. What a module raises while it is imported is its author's to see.
        """
        here = str(Path.cwd())
        sys.path.insert(0, here)
        try:
            return import_module(self.module)
        except ModuleNotFoundError as error:
            missing = f"{error.name} is missing" if error.name else str(error)
            raise ConfigError(
                f"model '{self}': expected a module that can be imported from {here} or this environment, got none "
                f"({missing}): check the name, or install it"
            ) from error
        finally:
            sys.path.remove(here)

    def value(self) -> Any:
        """What the module has under the name. Raises `ConfigError` where it has nothing."""
        value: Any = self.imported()
        for part in self.attribute.split("."):
            if not hasattr(value, part):
                public = [n for n in dir(value) if not n.startswith("_") and callable(getattr(value, n))]
                raise ConfigError(
                    f"model '{self}': expected a function or an object called '{part}' in {self.module}, "
                    f"got {', '.join(public[:6]) or 'nothing'}"
                )
            value = getattr(value, part)
        return value


def _from_python(name: PythonName, device: str, precision: Precision) -> MaskModel:
    """The object of that name, or what the function or class of that name returns.

    A factory is given `device` and `precision` where it takes arguments of these names.
    """
    value = name.value()
    if not inspect.isclass(value) and isinstance(value, MaskModel):
        return value
    if not callable(value):
        raise ConfigError(f"model '{name}': expected a model or a function that makes one, got {type(value).__name__}")
    taken = inspect.signature(value).parameters
    options = {"device": (device, "auto"), "precision": (precision, "fp32")}
    needed = [n for n, p in taken.items() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if set(needed) - set(options):
        raise ConfigError(f"model '{name}': expected a function without arguments, got one of ({', '.join(taken)})")
    for option, (given, default) in options.items():
        if option not in taken and given != default:
            raise ConfigError(
                f"--{option} {given}: expected that {name} takes an argument '{option}', got ({', '.join(taken)}): "
                f"leave --{option} out, or give the function that argument"
            )
    model = value(**{option: given for option, (given, _) in options.items() if option in taken})
    if not isinstance(model, MaskModel):
        raise ConfigError(
            f"model '{name}': expected an object with segment(image, expressions), got {type(model).__name__}"
        )
    return model


def _name_of(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"
