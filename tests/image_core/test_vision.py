"""Laws of the vision encoders: equal to timm and to transformers, at any size, stepped or not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from image_core.encoders.vision import build_vision_encoder
from image_core.errors import CheckpointError, ConfigError, RvosError, UnknownNameError

SWIN: dict[str, Any] = {"embed_dim": 16, "depths": (2, 2, 2, 2), "num_heads": (2, 2, 4, 4), "window_size": 4}
SWIN_V1, SWIN_V2 = "swin_tiny_patch4_window7_224", "swinv2_tiny_window8_256"
RESNET = {"channels": (8, 16, 24, 32), "stem_width": 8}

FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("convnext_atto", {"dims": (8, 16, 24, 32), "depths": (1, 1, 2, 1)}),
    ("resnet10t", RESNET),
    ("repvit_m0_9", {"embed_dim": (16, 16, 24, 32), "depth": (1, 1, 1, 1)}),
    ("mobilenetv4_conv_small", {}),
    ("efficientnet_b0", {}),
    ("pvt_v2_b0", {}),
    ("mambaout_femto", {}),  # NHWC inside, as Swin
]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _randomised(net: nn.Module) -> Any:
    """No weight at a value (0 or 1 of fresh norms) that would hide a part of the network."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return net.eval()


def _saved(net: nn.Module, folder: Path) -> Path:
    save_file({k: v.contiguous() for k, v in net.state_dict().items()}, folder / "model.safetensors")
    return folder


def _levels_of(net: Any, images: Tensor) -> list[Tensor]:
    """timm's own features at strides 4, 8, 16, 32."""
    levels = net.forward_intermediates(images, intermediates_only=True)
    return [level for level in levels if images.shape[-1] // level.shape[-1] >= 4][-4:]


def _assert_equal(came: tuple[Tensor, ...], wanted: list[Tensor], tolerance: float = 1e-5) -> None:
    assert len(came) == len(wanted)
    for a, b in zip(came, wanted, strict=True):
        torch.testing.assert_close(a, b, atol=tolerance, rtol=1e-4)


def test_tiny_pyramid() -> None:
    encoder = build_vision_encoder("tiny").eval()
    images = torch.randn(2, 3, 96, 64)
    levels = encoder(images)
    assert encoder.strides == (4, 8, 16, 32) and encoder.size_multiple == 32
    assert [tuple(x.shape) for x in levels] == [
        (2, c, 96 // s, 64 // s) for c, s in zip(encoder.channels, encoder.strides, strict=True)
    ]
    assert sum(p.numel() for p in encoder.parameters()) <= 1.6e6
    assert len(encoder.mean) == len(encoder.std) == 3 and min(encoder.mean + encoder.std) > 0
    assert not any(isinstance(m, nn.Conv2d) and m.groups > 1 for m in encoder.modules())


@pytest.mark.parametrize("name", ["tiny", SWIN_V1])
def test_stepping_is_forward(name: str) -> None:
    encoder = build_vision_encoder(name, options=SWIN if name == SWIN_V1 else None).eval()
    images = torch.randn(1, 3, 64, 96)
    whole = encoder(images)
    x = encoder.stem(images)
    stepped = [x]
    for stage in encoder.stages:
        x = stage(x)
        stepped.append(x)
    for a, b, c in zip(whole, stepped, encoder(images, stem=encoder.stem(images)), strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)
        assert a.is_contiguous()


def test_batch_of_two_is_two_batches_of_one_and_every_parameter_learns() -> None:
    encoder = build_vision_encoder("tiny")
    images = torch.randn(2, 3, 64, 64)
    torch.stack([level.square().mean() for level in encoder(images)]).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in encoder.parameters())
    encoder.eval()
    for both, first, second in zip(encoder(images), encoder(images[:1]), encoder(images[1:]), strict=True):
        torch.testing.assert_close(both, torch.cat([first, second]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("name", "options"), FAMILIES, ids=[name for name, _ in FAMILIES])
def test_families_equal_timm(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    net = _randomised(timm.create_model(name, **options))
    encoder = build_vision_encoder(name, folder=_saved(net, tmp_path), options=options).eval()
    images = torch.randn(1, 3, 64, 96)
    levels = encoder(images)
    assert tuple(level.shape[1] for level in levels) == encoder.channels
    _assert_equal(levels, _levels_of(net, images), 1e-4)


@pytest.mark.parametrize("name", [SWIN_V1, SWIN_V2])
@pytest.mark.parametrize("size", [(128, 128), (128, 192), (160, 192), (256, 224)])
def test_swin_is_what_it_would_be_if_built_for_the_size(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    """Grids that fit in one window along both axes, one axis or none; grids that windows divide or not."""
    net = _randomised(timm.create_model(name, img_size=size, **SWIN))
    encoder = build_vision_encoder(name, folder=_saved(net, tmp_path), options=SWIN).eval()
    images = torch.randn(1, 3, *size)
    wanted = _levels_of(net, images)
    _assert_equal(encoder(images), wanted, 1e-4)
    encoder(torch.randn(1, 3, 64, 64))  # another size in between leaves nothing behind
    _assert_equal(encoder(images), wanted, 1e-4)


def test_swin_batches_agree_below_the_window() -> None:
    """At 64 px the last grid (2 cells) is smaller than the window (4)."""
    encoder = _randomised(build_vision_encoder(SWIN_V1, options=SWIN))
    images = torch.randn(2, 3, 64, 64)
    for both, first in zip(encoder(images), encoder(images[:1]), strict=True):
        assert torch.isfinite(both).all()
        torch.testing.assert_close(both[:1], first, atol=1e-5, rtol=1e-4)


def test_hugging_face_swin_folder(tmp_path: Path) -> None:
    from transformers import SwinBackbone, SwinConfig, SwinModel

    model = _randomised(SwinModel(SwinConfig(**SWIN, image_size=64)))
    model.save_pretrained(tmp_path)
    encoder = build_vision_encoder(SWIN_V1, folder=tmp_path, options=SWIN).eval()
    images = torch.randn(1, 3, 192, 192)
    _, *wanted = model(images, output_hidden_states=True).reshaped_hidden_states
    levels = encoder(images)
    # This output of transformers is after the patch merging that ends a stage there and begins the next one in timm.
    for i, stage in enumerate(encoder.stages.children()):
        merged = stage.get_submodule("0.downsample")(levels[i].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        torch.testing.assert_close(merged, wanted[i], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(levels[3], wanted[3], atol=1e-5, rtol=1e-4)

    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = SwinBackbone(SwinConfig(**SWIN, **{"image_size": 64, "out_features": stages}))
    assert not backbone.swin.load_state_dict(model.state_dict(), strict=False).missing_keys
    for level, given in zip(levels, backbone.eval()(images).feature_maps, strict=True):
        normed = nn.functional.layer_norm(level.permute(0, 2, 3, 1), level.shape[1:2], eps=1e-5).permute(0, 3, 1, 2)
        torch.testing.assert_close(normed, given, atol=1e-5, rtol=1e-4)


def test_original_swin_release(tmp_path: Path) -> None:
    """Patch merging at the end of a stage, derived tables inside, all under the key `model`."""
    net = _randomised(timm.create_model(SWIN_V1, img_size=128, **SWIN))
    state = {
        "layers.0.blocks.1.attn_mask": torch.zeros(1),
        "layers.0.blocks.0.attn.relative_position_index": torch.ones(1),
    }
    for key, value in net.state_dict().items():
        parts = key.split(".")
        if parts[0] == "layers" and parts[2] == "downsample":
            parts[1] = str(int(parts[1]) - 1)
        state[".".join(parts)] = value
    torch.save({"model": state}, tmp_path / "pytorch_model.bin")
    images = torch.randn(1, 3, 128, 128)
    encoder = build_vision_encoder(SWIN_V1, folder=tmp_path / "pytorch_model.bin", options=SWIN).eval()
    _assert_equal(encoder(images), _levels_of(net, images))


def test_fewer_levels() -> None:
    encoder = build_vision_encoder("tiny", levels=2)
    assert encoder.strides == (4, 8) and encoder.size_multiple == 8 and len(encoder.stages) == 1
    assert len(encoder(torch.randn(1, 3, 40, 24))) == 2


def test_size_bound_architectures_take_an_image_size() -> None:
    encoder = build_vision_encoder("coatnet_pico_rw_224", options={"img_size": 96})
    assert [x.shape[-1] for x in encoder(torch.randn(1, 3, 96, 96))] == [24, 12, 6, 3]


def test_nothing_is_made_on_another_device() -> None:
    with torch.device("meta"):
        encoder = build_vision_encoder(SWIN_V1, options=SWIN)
        assert all(level.is_meta for level in encoder(torch.randn(1, 3, 64, 64)))
    assert all(tensor.is_meta for tensor in encoder.state_dict().values())


def test_size_that_does_not_divide() -> None:
    with pytest.raises(ValueError, match="expected height and width divisible by 32, got 100 x 96 px"):
        build_vision_encoder("tiny")(torch.randn(1, 3, 100, 96))


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"name": "swin_tinny_patch4_window7_224"}, UnknownNameError, "did you mean 'swin_tiny_patch4_window7_224'"),
        ({"name": "vit_tiny_patch16_224"}, ConfigError, r"expected features at strides \[4, 8, 16, 32\], got \[16\]"),
        ({"name": "sam2_hiera_tiny"}, ConfigError, "not a chain of stages .*pos_embed"),
        ({"name": "hrnet_w18_small"}, ConfigError, "not a chain of stages"),
        ({"name": "tiny", "options": {"colour": 1}}, ConfigError, "colour"),
        ({"name": "tiny", "levels": 5}, ConfigError, "expected 1 to 4, got 5"),
        ({"name": "tiny", "pretrained": True}, ConfigError, "no published weights"),
    ],
)
def test_bad_names_and_options(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        build_vision_encoder(**arguments)
    assert "\n" not in str(caught.value)


def test_no_network_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RvosError, match=r"could not be fetched from the hub.*connect to the network") as caught:
        build_vision_encoder("resnet10t", pretrained=True)
    assert "\n" not in str(caught.value)


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    other = timm.create_model("resnet10t", **{**RESNET, "channels": (8, 16, 24, 40)}).state_dict()
    del other["layer1.0.conv1.weight"]
    other["layer9.weight"] = torch.zeros(1)
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError) as caught:
        build_vision_encoder("resnet10t", folder=tmp_path / "other.safetensors", options=RESNET)
    message = str(caught.value)
    assert "1 missing: layer1.0.conv1.weight; 1 unexpected: layer9.weight" in message
    assert "layer4.0.bn1.bias (40,) for (32,)" in message and message.endswith("...") and "\n" not in message


def test_weights_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "garbage.safetensors").write_bytes(b"nothing of the kind")
    (tmp_path / "garbage.bin").write_bytes(b"nothing of the kind")
    torch.save(RvosError("a pickle of something else"), tmp_path / "pickle.bin")
    torch.save({"epoch": 3}, tmp_path / "number.bin")
    for name in ("empty", "absent", "garbage.safetensors", "garbage.bin", "pickle.bin", "number.bin"):
        with pytest.raises(CheckpointError, match=name) as caught:
            build_vision_encoder("resnet10t", folder=tmp_path / name, options=RESNET)
        assert "\n" not in str(caught.value)
