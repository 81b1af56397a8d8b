"""timm and torchvision without torch's compiler. All modules of the package import them from this file.

Both import `torch._dynamo` for a few functions, and with it sympy and triton: 1.4 of the 2.0 processor seconds of their
import (torch 2.12). Nothing here compiles. So while they are imported, a stand-in replaces that module; its functions
import the real one when they are called. Afterwards the stand-in is removed, and code that compiles gets the real
module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from importlib import import_module
from types import ModuleType
from typing import Any

_COMPILER, _COMPILER_UTILS = "torch._dynamo", "torch._dynamo.utils"


class _LazyModule(ModuleType):
    """Stands in for a module. For an attribute that it lacks, it imports the real module, which then replaces it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _remove_stand_ins()
        return getattr(import_module(self.__name__), name)


def _remove_stand_ins() -> None:
    for name in (_COMPILER, _COMPILER_UTILS):
        if isinstance(sys.modules.get(name), _LazyModule):
            del sys.modules[name]


def _lazy_function(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that is imported when it is called."""

    def forward(*args: Any, **options: Any) -> Any:
        return getattr(import_module(module), name)(*args, **options)

    return forward


def _lazy_disable(function: Callable[..., Any], *args: Any, **options: Any) -> Callable[..., Any]:
    """`torch._dynamo.disable` without importing the compiler: it is applied at calls, once others have imported it."""

    @wraps(function)
    def plain(*given: Any, **named: Any) -> Any:
        compiler = sys.modules.get(_COMPILER)
        return (compiler.disable(function, *args, **options) if compiler else function)(*given, **named)

    return plain


@contextmanager
def _without_compiler() -> Iterator[None]:
    if _COMPILER in sys.modules:
        yield
        return
    compiler, questions = _LazyModule(_COMPILER), _LazyModule(_COMPILER_UTILS)
    compiler.__dict__.update(disable=_lazy_disable, utils=questions, __path__=[])
    questions.__dict__.update(is_compile_supported=_lazy_function(_COMPILER_UTILS, "is_compile_supported"))
    sys.modules.update({_COMPILER: compiler, _COMPILER_UTILS: questions})
    try:
        yield
    finally:
        _remove_stand_ins()


with _without_compiler():
    import timm
    from timm.data.imagenet_info import ImageNetInfo
    from timm.layers.conv2d_same import Conv2dSame
    from timm.layers.helpers import make_divisible
    from timm.layers.norm import LayerNorm2d
    from timm.models.swin_transformer import SwinTransformerStage
    from timm.models.swin_transformer_v2 import SwinTransformerV2Stage
    from timm.models.tiny_vit import ConvNorm, PatchMerging, TinyVit, TinyVitBlock
    from torchvision.models.detection import SSDLite320_MobileNet_V3_Large_Weights
    from torchvision.ops import nms

__all__ = [
    "Conv2dSame",
    "ConvNorm",
    "ImageNetInfo",
    "LayerNorm2d",
    "PatchMerging",
    "SSDLite320_MobileNet_V3_Large_Weights",
    "SwinTransformerStage",
    "SwinTransformerV2Stage",
    "TinyVit",
    "TinyVitBlock",
    "make_divisible",
    "nms",
    "timm",
]
