"""Vision encoders from timm as a stem and stages that can be stepped one by one.

What this file hides: Swin features are NHWC inside timm; Swin v1/v2 built for one size compute something else at
another; hub models end in a classifier; only some families are plain chains that can be cut into stages.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from image_core.encoders.darknet import darknet53
from image_core.encoders.sam_vision import MEAN, SAM_ENCODERS, STD, STRIDE, sam_modules
from image_core.encoders.vision_blocks import ConvStem, SwinStage
from image_core.encoders.vision_weights import load_vision_weights
from image_core.errors import ConfigError, RvosError, UnknownNameError
from image_core.types import size_of
from image_core.vision_libraries import SwinTransformerStage, SwinTransformerV2Stage, timm

STRIDES = (4, 8, 16, 32)
"""Pixels per cell of the levels that a pyramid can have, fine to coarse."""

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    # Dense 3x3 convolutions alone (fast on a CPU), and a narrow stem, which at half size would cost the most. Trained
    # from scratch, so its residual branches start alive: every weight has a gradient from the first step.
    "tiny": (
        "resnet10t",
        {"layers": (1, 2, 2, 1), "channels": (32, 64, 128, 192), "stem_width": 16, "zero_init_last": False},
    ),
    # Windows of 4 divide the grids of 128 px; heads of 16 channels or 12.
    "tiny_swin": (
        "swin_tiny_patch4_window7_224",
        {
            "embed_dim": 24,
            "depths": (1, 1, 2, 2),
            "num_heads": (2, 3, 6, 12),
            "window_size": 4,
            "mlp_ratio": 2.0,
            "drop_path_rate": 0.0,
            "embed_layer": ConvStem,
        },
    ),
}
"""Our own names: the timm architecture and the options that make it. They need no download."""

_SWIN_MODULES = ("timm.models.swin_transformer", "timm.models.swin_transformer_v2")


class VisionEncoder(nn.Module):
    """A pyramid of features: `stem`, then `stages[i]` from level i to level i + 1. NCHW at every border.

    channels: C_i of each level; strides: pixels per cell of each level, (4, 8, 16, 32) by default; size_multiple:
    height and width of an image must divide by it; mean, std: of each RGB channel in [0, 1], what images are normalised
    with.
    """

    def __init__(
        self,
        stem: nn.Module,
        stages: Sequence[nn.Module],
        *,
        channels: tuple[int, ...],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        strides: tuple[int, ...] = STRIDES,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.channels = channels
        self.strides = strides[: len(channels)]
        self.size_multiple = self.strides[-1]
        self.mean = mean
        self.std = std

    def forward(self, images: Tensor, stem: Tensor | None = None) -> tuple[Tensor, ...]:
        """(F, 3, H, W) float -> tuple of (F, C_i, H / strides[i], W / strides[i]).

        `stem` is what `self.stem(images)` gave, to save doing it twice. Raises `ValueError` unless H and W divide by
        `size_multiple`.
        """
        size_of(images, self.size_multiple)
        levels = [self.stem(images) if stem is None else stem]
        for stage in self.stages:
            levels.append(stage(levels[-1]))
        return tuple(levels)

    def swin_stages(self) -> tuple[SwinStage, ...]:
        """`stages` as Swin's own, NHWC, whose blocks can be stepped. Raises `ValueError` for other architectures."""
        firsts = [next(iter(stage.children()), None) for stage in self.stages]
        swin = tuple(stage for stage in firsts if isinstance(stage, SwinStage))
        if len(swin) != len(firsts):
            raise ValueError("expected a Swin v1 or v2, got one whose blocks cannot be stepped one by one")
        return swin

    def use_segmentation_windows(self) -> None:
        """Swin's windows in their form for segmentation, in the stem too; other architectures stay as they are.

        Raises `ValueError` for Swin v2.
        """
        for module in self.modules():
            if isinstance(module, SwinStage):
                module.use_segmentation_windows()


class _Chain(nn.Sequential):
    """Modules in a row; NCHW outside, and inside too unless the architecture works in NHWC."""

    def __init__(self, modules: Sequence[nn.Module], *, takes_nhwc: bool, gives_nhwc: bool) -> None:
        super().__init__(*modules)
        self.takes_nhwc = takes_nhwc
        self.gives_nhwc = gives_nhwc

    def forward(self, input: Tensor) -> Tensor:
        x = input.permute(0, 2, 3, 1) if self.takes_nhwc else input
        for module in self:
            x = module(x)
        return x.permute(0, 3, 1, 2).contiguous() if self.gives_nhwc else x


def build_vision_encoder(
    name: str,
    *,
    pretrained: bool = False,
    folder: Path | None = None,
    levels: int = 4,
    options: Mapping[str, Any] | None = None,
) -> VisionEncoder:
    """A pyramid of `levels` levels (strides 4, 8, ...) from any timm architecture that has one, "tiny" (ours), or
    "darknet53" (YOLOv3's, not timm's; options `width` and `blocks`; its weights come through `rvos convert seqtr`). Of
    "facebook/sam-vit-base", -large and -huge, and of "tiny_sam", the levels all have stride 16: a stem and up to three
    depths of SAM's encoder; its weights come from that name on the hub, or from a folder of `save_pretrained`.

    pretrained: weights from timm's hub; folder: weights from a local file or folder instead (timm, Hugging Face Swin,
    or the original Swin release); options: go to `timm.create_model`, over those of the name (`img_size` for
    architectures that timm binds to one size; Swin takes any).

    Raises `UnknownNameError` for a name timm does not know, `ConfigError` for an option it refuses or an architecture
    without such a pyramid, `CheckpointError` for weights that do not fit, `RvosError` when the hub cannot be reached.
    """
    if not 1 <= levels <= len(STRIDES):
        raise ConfigError(f"vision levels: expected 1 to {len(STRIDES)}, got {levels}")
    if name in SAM_ENCODERS:
        return _sam(name, pretrained, folder, levels, options or {})
    if name == "darknet53":
        return _darknet(pretrained or folder is not None, levels, options or {})
    architecture, settings = VARIANTS.get(name, (name, {}))
    settings = {**settings, **_size_settings(architecture), **(options or {})}
    from_hub = pretrained and folder is None
    if from_hub and timm.is_model(architecture) and (name in VARIANTS or not timm.is_model_pretrained(architecture)):
        raise ConfigError(
            f"vision encoder '{name}': expected no pretrained, as it has no published weights, got it: leave it out"
        )
    net = _create(architecture, pretrained=from_hub, settings=settings)
    groups, channels = _split_levels(net, name, STRIDES[:levels])
    if folder is not None:
        load_vision_weights(net, [path for group in groups for path in group], Path(folder))
    nhwc = getattr(net, "output_fmt", "NCHW") == "NHWC"
    stem, *stages = (
        _Chain(
            [_wrap_swin(net.get_submodule(path)) for path in group],
            takes_nhwc=nhwc and i > 0,
            gives_nhwc=nhwc,
        )
        for i, group in enumerate(groups)
    )
    config: Mapping[str, Any] = getattr(net, "pretrained_cfg")  # noqa: B009 - nn.Module hides plain attributes
    return VisionEncoder(stem, stages, channels=channels, mean=tuple(config["mean"]), std=tuple(config["std"]))


def _sam(name: str, pretrained: bool, folder: Path | None, levels: int, options: Mapping[str, Any]) -> VisionEncoder:
    groups, channels = sam_modules(name, pretrained=pretrained, folder=folder, options=options)
    stem, *stages = (_Chain(group, takes_nhwc=i > 0, gives_nhwc=True) for i, group in enumerate(groups[:levels]))
    return VisionEncoder(stem, stages, channels=(channels,) * levels, mean=MEAN, std=STD, strides=(STRIDE,) * levels)


def _darknet(weights_asked: bool, levels: int, options: Mapping[str, Any]) -> VisionEncoder:
    """DarkNet-53, whose images are RGB from 0 to 1 here: what else its weights want is in their checkpoint."""
    if weights_asked:
        raise ConfigError("vision encoder 'darknet53': its weights come in a SeqTR file, through `rvos convert seqtr`")
    plain: dict[str, Any] = {k: tuple(v) if k == "blocks" else v for k, v in options.items()}
    try:
        (stem, *stages), channels = darknet53(**plain)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"vision encoder 'darknet53': options {plain} cannot be used: {error}") from error
    zero, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    return VisionEncoder(stem, stages[: levels - 1], channels=channels[:levels], mean=zero, std=one)


def _size_settings(architecture: str) -> dict[str, Any]:
    """The options of timm with which the encoder takes images of other sizes than it was published for."""
    if not timm.is_model(architecture) or timm.model_entrypoint(architecture).__module__ not in _SWIN_MODULES:
        return {}
    # always_partition keeps the trained window and shift whatever the size built for; see SwinStage for the rest.
    return {"strict_img_size": False, "always_partition": True}


def _create(architecture: str, *, pretrained: bool, settings: Mapping[str, Any]) -> nn.Module:
    if not timm.is_model(architecture):
        near = difflib.get_close_matches(architecture.replace("-", "_"), timm.list_models(), n=5, cutoff=0.5)
        raise UnknownNameError("vision encoder", architecture, [*near, *VARIANTS, *SAM_ENCODERS])
    try:
        return timm.create_model(architecture, pretrained=pretrained, num_classes=0, **settings)
    except TypeError as error:
        raise ConfigError(
            f"vision encoder '{architecture}': options {dict(settings)} cannot be used: {error}"
        ) from error
    except OSError as error:
        raise RvosError(
            f"vision encoder '{architecture}': its weights could not be fetched from the hub ({type(error).__name__}): "
            "connect to the network, or give a local file or folder of weights"
        ) from error


def _split_levels(net: nn.Module, name: str, strides: tuple[int, ...]) -> tuple[list[list[str]], tuple[int, ...]]:
    """Paths of the modules that make each level, in the order they run, and the channels of each level.

    Holds for networks that run their children one after the other; where levels end inside an `nn.Sequential` child,
    the children of that child take its place.
    """
    feature_info: Any = getattr(net, "feature_info", [])
    infos = {info["reduction"]: info for info in feature_info}  # the last module at a stride wins
    if any(s not in infos for s in strides):
        raise ConfigError(
            f"vision encoder '{name}': expected features at strides {list(strides)}, got {sorted(infos)}; "
            "choose an architecture with a pyramid, such as swin, convnext, resnet, repvit or mobilenetv4"
        )
    bare = [name for name, _ in net.named_parameters(recurse=False)]
    if bare:
        # It adds them between its children (position embeddings, say), which a chain of the children would leave out.
        raise ConfigError(f"vision encoder '{name}': it is not a chain of stages (parameters {bare} lie outside them)")
    opened = {info["module"].split(".")[0] for info in feature_info if "." in info["module"]}
    paths: list[str] = []
    for child, module in net.named_children():
        inside = child in opened and isinstance(module, nn.Sequential)
        paths += [f"{child}.{inner}" for inner, _ in module.named_children()] if inside else [child]
    groups: list[list[str]] = []
    start = 0
    for stride in strides:
        end = infos[stride]["module"]
        if end not in paths[start:]:
            raise ConfigError(f"vision encoder '{name}': it is not a chain of stages ('{end}' is not one of them)")
        stop = paths.index(end) + 1
        groups.append(paths[start:stop])
        start = stop
    return groups, tuple(infos[s]["num_chs"] for s in strides)


def _wrap_swin(module: nn.Module) -> nn.Module:
    return SwinStage(module) if isinstance(module, SwinTransformerStage | SwinTransformerV2Stage) else module
