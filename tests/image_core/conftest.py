"""A description of the smallest model that has every part, and of a training run that takes seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from image_core.models.description import EncoderConfig, ModelConfig
from image_core.preprocessing import Preprocessing
from image_core.training.config import OptimiserConfig, TrainConfig

MakeSpec = Callable[..., ModelConfig]
MakeSettings = Callable[..., TrainConfig]

_VISION = {"channels": (8, 8, 16, 16), "layers": (1, 1, 1, 1)}
_TEXT = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": 24,
}
_CONFIGS: dict[str, dict[str, Any]] = {
    "s2rm": {"channels": 16, "fine_channels": 8, "heads": 2},
    "seqtr": {
        "fusion_channels": 16,
        "channels": 16,
        "heads": 2,
        "hidden": 16,
        "encoder_layers": 1,
        "decoder_layers": 2,
        "bins": 24,
        "points": 5,
    },
}
_CONFIGS["partial_res"] = _CONFIGS["seqtr"]
_CONFIGS["safari"] = {k: v for k, v in _CONFIGS["seqtr"].items() if k != "fusion_channels"} | {"fused_layers": 2}
_CONFIGS["cgformer"] = {"channels": 16, "fusion_heads": (1, 1, 2, 2), "table_px": 64}
_CONFIGS["haris"] = {"channels": 16, "heads": 2, "decoder_layers": 2, "hidden": 16, "adapter_channels": 4}
_CONFIGS["lavt"] = {"channels": 8, "fusion_heads": (1, 2, 2, 4)}
_CONFIGS["rela"] = {
    "minimap": 3,
    "channels": 48,
    "heads": 2,
    "pixel_layers": 2,
    "pixel_hidden": 16,
    "points": 2,
    "region_layers": 4,
    "region_hidden": 16,
}
_SWIN = {"embed_dim": 8, "depths": (1, 1, 2, 1), "num_heads": (1, 2, 2, 4), "window_size": 2}
_VISIONS = {name: EncoderConfig("tiny_swin", options=_SWIN) for name in ("cgformer", "lavt", "rela", "safari")}
_TEXTS = {"safari": {"num_hidden_layers": 3}}


@pytest.fixture(scope="session")
def tiny_spec() -> MakeSpec:
    """`tiny_spec(name, **config)`: a model (S2RM) of some ten thousand weights, every part of the full one in it."""

    def make(name: str = "s2rm", **config: Any) -> ModelConfig:
        return ModelConfig(
            name=name,
            vision=_VISIONS.get(name, EncoderConfig("tiny", options=_VISION)),
            text=EncoderConfig("small", options=_TEXT | _TEXTS.get(name, {})),
            config=_CONFIGS[name] | config,
            max_words=24,
        )

    return make


@pytest.fixture(scope="session")
def preprocessing() -> Preprocessing:
    """32 px, squashed."""
    return Preprocessing(32, "squash", 32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.fixture(scope="session")
def tiny_settings(
    tiny_spec: MakeSpec, preprocessing: Preprocessing, tmp_path_factory: pytest.TempPathFactory
) -> MakeSettings:
    """`tiny_settings(**changes)`: 12 steps of 2 pictures of 32 px on the CPU, with dropout, in a new folder."""

    def make(**changes: Any) -> TrainConfig:
        values: dict[str, Any] = {
            "model": tiny_spec(presence_head=True, bce_weight=1.0),
            "preprocessing": preprocessing,
            "out": tmp_path_factory.mktemp("run"),
            "optimiser": OptimiserConfig(lr=2e-3, warmup_steps=3, decay="cosine"),
            "steps": 12,
            "batch_images": 2,
            "ema": 0.9,
            "device": "cpu",
            "workers": 0,
            "log_every": 1,
            "save_every": 6,
            "eval_every": 6,
            "eval_images": 2,
        }
        return TrainConfig(**(values | changes))

    return make


@pytest.fixture
def without_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainings of a test draw no curves, which would take a quarter of the time of a run of a few steps. Those of
    fixtures for a whole module do."""
    monkeypatch.setattr("image_core.training.log.draw_curves", lambda log, out: None)
