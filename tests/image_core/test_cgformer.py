"""CGFormer: its steps by hand, its figures against the release's, and its checkpoints all the way to a model file."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from image_core.checkpoint import load_model
from image_core.convert.cgformer import CGFORMER, cgformer_description, convert_cgformer
from image_core.convert.options import ConvertOptions
from image_core.convert.state_dicts import load_weights
from image_core.errors import CheckpointError, ConfigError
from image_core.models import token_grouping
from image_core.models.cgformer import CGFormer, CGFormerConfig, KernelHead, LevelPositions, contrastive_loss
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.table import build_model
from image_core.models.token_grouping import Grouping, Load
from image_core.types import ImageBatch
from tests.image_core.published_models import WORDS, names_in_lavt, narrow, read_words


@torch.no_grad()
def test_only_the_last_token_of_the_release_reads() -> None:
    torch.manual_seed(0)
    load = Load(8, 6, dropout=0.1, last=True).eval()
    tokens, words = torch.randn(2, 3, 8), torch.randn(2, 4, 6)
    pad = torch.tensor([[False] * 4, [False, False, True, True]])
    given = load(tokens, words, pad)
    kept = load.norm_words(words[1, :2])
    q = load.to_q(load.norm_tokens(tokens[1, -1:]))
    read = (q @ load.to_k(kept).T / math.sqrt(8)).softmax(-1) @ load.to_v(kept)
    last = tokens[1, -1:] + load.out(read)
    expected = load.mlp(load.norm(torch.cat([tokens[1, :-1], last])))
    torch.testing.assert_close(given[1], expected)
    everyone = Load(8, 6, dropout=0.1, last=False).eval()
    everyone.load_state_dict(load.state_dict())
    assert not torch.allclose(everyone(tokens, words, pad)[:, 0], given[:, 0])


@pytest.mark.parametrize("form", ["release", "paper"])
@torch.no_grad()
def test_groups_are_their_arithmetic(form: token_grouping.Form) -> None:
    torch.manual_seed(0)
    group = Grouping(8, form, "hard", dropout=0.1).eval()
    tokens, cells = torch.randn(1, 4, 8), torch.randn(1, 20, 8)
    given, shares = group(tokens, cells)
    d = group.norm_cells(cells[0])
    q, k = group.to_q(group.norm_tokens(tokens[0])), group.to_k(d)
    owner = (F.normalize(q, dim=1) @ F.normalize(k, dim=1).T).argmax(0)
    assert torch.equal(shares[0].argmax(0), owner) and shares.sum(1).allclose(torch.ones(1, 20))
    for i, token in enumerate(tokens[0]):
        own = owner == i
        if form == "release":  # divided by the count and one
            gathered = group.to_v(d)[own].sum(0) / (own.sum() + 1)
            expected = group.mlp(group.norm(group.out(gathered) + token))
        else:  # the mean, and a residual
            expected = group.mlp(k[own].sum(0) / max(1, int(own.sum()))) + token
        torch.testing.assert_close(given[0, i], expected)


def test_noise_and_temperature() -> None:
    """Noise in training alone. The release's temperature is no parameter; the paper's learns."""
    torch.manual_seed(0)
    tokens, cells = torch.randn(1, 3, 8), torch.randn(1, 400, 8)
    for form in ("release", "paper"):
        group = Grouping(8, form, "soft", dropout=0.0)
        assert torch.equal(group.eval()(tokens, cells)[1], group(tokens, cells)[1])
        a, b = (group.train()(tokens, cells)[1] for _ in range(2))
        assert not torch.equal(a, b)
        learnt = [name for name, _ in group.named_parameters() if "temperature" in name]
        assert learnt == ([] if form == "release" else ["log_temperature"])
        cold = group.eval()(tokens, cells)[1]
        group.log_temperature.data.fill_(-3.0)
        assert group(tokens, cells)[1].amax(1).mean() > cold.amax(1).mean(), "a low temperature decides"
    noise = token_grouping.gumbel_noise(torch.empty(200_000))
    assert noise.mean().item() == pytest.approx(0.5772, abs=0.01), "Euler's number"


@torch.no_grad()
def test_one_product_is_both_convolutions_of_the_head() -> None:
    """Beside the layers of the release, one after the other."""
    torch.manual_seed(0)
    for border in (True, False):
        head = KernelHead(6, border).eval()
        x, token = torch.randn(2, 6, 5, 4), torch.randn(2, 6)
        large = F.conv2d(
            head.second._forward_unfused(head.first._forward_unfused(x)),
            head.project.weight[..., None, None],
            head.project.bias,
        )
        kernel = head.kernel(token)
        weights, bias = kernel[:, :-1].reshape(2, 6, 1, 1), kernel[:, -1]
        low = F.conv2d(large.reshape(1, 12, 20, 16), weights, bias, padding=int(border), groups=2)
        low = low.reshape(2, 1, *low.shape[2:])
        torch.testing.assert_close(head.convolved(x, token), low, rtol=1e-4, atol=1e-5)
        expected = F.interpolate(low, size=(20, 16), mode="bilinear", align_corners=True)[:, 0]
        torch.testing.assert_close(head(x, token), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_table_of_positions_serves_any_grid() -> None:
    positions = LevelPositions(6, 4)
    assert torch.equal(positions((6, 6))[0], positions.table)
    steep = torch.arange(6.0)[:, None].expand(6, 6)
    positions.table.copy_(steep.reshape(36, 1).expand(36, 4))
    stretched = positions((12, 9))[0].unflatten(0, (12, 9))
    assert stretched.shape == (12, 9, 4) and (stretched[1:] - stretched[:-1]).min() > -1e-5, "rows stay in order"
    torch.testing.assert_close(stretched[:, 0], stretched[:, 8])


def test_the_contrastive_term_by_hand() -> None:
    """Two pictures with the same words are no negatives of each other; a pair without a target is left out."""
    torch.manual_seed(0)
    tokens, sentence = torch.randn(3, 2, 5), torch.randn(3, 5)
    expressions = ("a dog", "a cat", "a dog")

    def cos(a: Tensor, b: Tensor) -> float:
        return float(F.cosine_similarity(a, b, dim=0)) / 0.07

    each = []
    for i, others in ((0, [1]), (1, [0, 2])):
        positive = cos(tokens[i, 1], sentence[i])
        below = [positive, cos(tokens[i, 0], sentence[i]), *(cos(tokens[i, 1], sentence[j]) for j in others)]
        each.append(math.log(sum(math.exp(v) for v in below)) - positive)
    has_target = torch.tensor([True, True, False])
    loss = contrastive_loss(tokens, sentence, expressions, has_target, 0.07)
    assert loss.item() == pytest.approx(sum(each) / 2, rel=1e-4)
    assert contrastive_loss(tokens, sentence, expressions, torch.zeros(3, dtype=torch.bool), 0.07) == 0


def test_losses_of_each_form(tiny_spec: Callable[..., ModelConfig]) -> None:
    torch.manual_seed(0)
    masks = torch.zeros(2, 64, 64)
    masks[0, 8:40, 8:40] = 1
    words = ("the red star", "a dog")
    batch = ImageBatch(torch.randn(1, 3, 64, 64), torch.tensor([[64, 64]]), words, torch.tensor([0, 0]), masks)
    usual = {"dice", "bce", "shares"}
    for config, terms in (
        ({}, usual),
        ({"form": "paper"}, usual | {"contrastive"}),
        ({"form": "paper", "contrastive_weight": 0.0}, usual),
        ({"grouping": "none"}, usual - {"shares"}),
    ):
        model = cast(CGFormer, build_model(tiny_spec("cgformer", **config)).train())
        assert model.losses(model(batch), batch).keys() == terms
        assert model.losses(model.eval()(batch), batch).keys() == {"dice", "bce"}
        assert len(model.tokens) == (9 if config.get("form") == "paper" else 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tokens": 1}, r"tokens: expected 0 \(the form's\) or 2 and more, got 1"),
        ({"form": "published"}, "form: expected one of release, paper, got 'published'"),
        ({"table_px": 100}, "table_px: expected a multiple of 16, got 100"),
        ({"share_weights": (0.1,)}, r"share_weights: expected 3, a level each, got \(0.1,\)"),
        ({"fusion_heads": (8, 8)}, "fusion_heads: expected 4 numbers, one a level"),
        ({"contrastive_temperature": 0.0}, "contrastive_temperature: expected above 0, got 0.0"),
        ({"bce_weight": -1.0}, "expected weights of losses of 0 or more"),
    ],
)
def test_configs_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CGFormerConfig(**change)


def published_names(model: torch.nn.Module) -> dict[str, Tensor]:
    """A model's tensors under the names of the release, written from the list of its keys and not from our rules."""
    names = {}
    parts = {"to_q": "q_proj", "to_k": "k_proj", "to_v": "v_proj", "out": "proj"}
    for key, value in names_in_lavt(model).items():
        key = key.replace(".fusion.", ".pwam_fusion.").replace(".res_gate.", ".pwam_gate.")
        key = re.sub(r"^tokens$", "decoder.tokens.weight", key)
        key = re.sub(r"^positions\.(\d)\.table", r"decoder.layers.\1.positional_embedding", key)
        if found := re.match(r"loads\.(\d)\.(norm_tokens|norm_words|to_q|to_k|to_v|out)\.(.+)", key):
            own = {"norm_tokens": "normq", "norm_words": "normk"}.get(found[2])
            key = f"decoder.layers.{found[1]}.loadtoken.{own or 'cross_attn.' + parts[found[2]]}.{found[3]}"
        key = re.sub(r"^loads\.(\d)\.", r"decoder.layers.\1.", key)
        if found := re.match(r"groups\.(\d)\.(.+)", key):
            rest = found[2].replace("norm_cells", "norm_v").replace("norm_tokens", "norm_t")
            rest = re.sub(r"^(to_[qkv]|out)", lambda m: parts[m[1]], rest).replace("log_temperature", "tau")
            key = f"decoder.cgattention{int(found[1]) + 1}.{rest}"
        if found := re.match(r"fuses\.(\d)\.blocks\.(\d)\.(\d)\.(.+)", key):
            key = f"decoder.fuses.{found[1]}.fusion.{3 * int(found[2]) + int(found[3])}.{found[4]}"
        if found := re.match(r"head\.(first|second)\.(conv|norm)\.(.+)", key):
            key = f"decoder.proj.vis.{1 if found[1] == 'first' else 3}.{int(found[2] == 'norm')}.{found[3]}"
        if key == "head.project.weight":
            value = value[..., None, None]
        names[key.replace("head.project.", "decoder.proj.vis.4.").replace("head.kernel.", "decoder.proj.txt.")] = value
    for i in (1, 2):  # stored by the release, and never used
        names |= {f"decoder.layers.{i}.loadtoken.norm.{k}": torch.zeros(24) for k in ("weight", "bias")}
        names[f"decoder.layers.{i}.loadtoken.mlp.fc1.weight"] = torch.zeros(48, 24)
    return names


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> CGFormer:
    """The release's architecture, narrow, of other sizes than published."""
    config = {"channels": 24, "tokens": 4, "table_px": 160, "fusion_heads": (1, 2, 4, 8)}
    return cast(CGFormer, narrow("cgformer", config, tmp_path_factory.mktemp("words")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    return tmp_path


@torch.no_grad()
def test_a_published_file_becomes_a_model_file(small: CGFormer, folder: Path) -> None:
    names = {f"module.{k}": v for k, v in published_names(small).items()}
    torch.save({"epoch": 49, "best_iou": 0.7, "model_state_dict": names, "optimizer": {}}, folder / "best_model.pth")
    spec = convert_cgformer(
        folder / "best_model.pth", folder / "ours.safetensors", ConvertOptions(fusion_heads=(1, 2, 4, 8))
    )
    assert spec.config == {"channels": 24, "tokens": 4, "table_px": 160, "fusion_heads": (1, 2, 4, 8)}
    loaded = load_model(folder / "ours.safetensors")
    theirs = loaded.model.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in small.state_dict().items())
    assert (loaded.preprocessing.size_px, loaded.preprocessing.resize) == (160, "squash")
    text = small.encode_text(["the red doggy"])
    images = torch.randn(1, 3, 96, 160)
    a, b = (m.decode(m.encode_image(images, text), text).mask_logits for m in (small, loaded.model))
    assert torch.equal(a, b) and a.shape == (1, 96, 160), "any size"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("decoder.proj.txt.bias"), r"1 missing \(head.kernel.bias\)"),
        (lambda s: s.update({"decoder.layers.3.x": torch.zeros(1)}), r"1 not of this project as it is known \(decoder"),
        (lambda s: s.update({"decoder.cgattention1.tau": torch.ones(2)}), r"1 of another shape \(groups.0.log_temp"),
        (lambda s: s.pop("decoder.tokens.weight"), "expected the network with its BERT, got none with a tensor"),
        (
            lambda s: s.update({"decoder.layers.1.positional_embedding": torch.zeros(9, 24)}),
            r"1 of another shape \(positions.1.table\)",
        ),
    ],
)
def test_the_converter_is_strict(small: CGFormer, folder: Path, change: Callable[[dict], Any], message: str) -> None:
    names = published_names(small)
    change(names)
    torch.save({"model_state_dict": names}, folder / "x.pth")
    with pytest.raises(CheckpointError, match=message) as error:
        convert_cgformer(folder / "x.pth", folder / "ours.safetensors", ConvertOptions(fusion_heads=(1, 2, 4, 8)))
    assert "\n" not in str(error.value) and not (folder / "ours.safetensors").exists()


def test_heads_that_do_not_divide_are_refused(small: CGFormer, folder: Path) -> None:
    torch.save({"model_state_dict": published_names(small)}, folder / "x.pth")
    with pytest.raises(ConfigError, match=r"expected divisors of the encoder's channels \(8\), got 3"):
        convert_cgformer(folder / "x.pth", folder / "ours.safetensors", ConvertOptions(fusion_heads=(3,)))


def test_the_published_size_is_described_from_its_shapes() -> None:
    """On the meta device: tables for 480 px, two tokens of 512, eight heads at every stage."""
    with torch.device("meta"):
        swin, words = EncoderConfig("swin_base_patch4_window12_384"), EncoderConfig("bert-base-uncased")
        model = build_model(ModelConfig("cgformer", swin, words))
    names = published_names(model)
    spec = cgformer_description(names)
    assert spec.config == {}, "what is as published is not named"
    assert spec.vision.options["window_size"] == 12 and spec.text.options["num_hidden_layers"] == 12
    assert names["decoder.layers.2.positional_embedding"].shape == (14400, 512)
    assert names["decoder.proj.txt.weight"].shape == (513, 512)
    assert names["decoder.fuses.0.fusion.0.weight"].shape == (512, 1536, 3, 3)
    load_weights(model, CGFORMER.rename_keys(names), "meta")


@pytest.mark.shared
@torch.no_grad()
def test_parity_cgformer(shared_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words, levels, groups, the convolved mask and the logits to 1e-4; and with the noise of the release handed in."""
    folder = shared_dir / "parity" / "models" / "cgformer"
    io = {k: torch.from_numpy(np.asarray(v)) for k, v in np.load(folder / "io.npz").items()}
    published = load_file(folder / "state_dict.safetensors")
    model = cast(CGFormer, build_model(cgformer_description(published)).eval())
    load_weights(model, CGFORMER.rename_keys(published), "fixture")
    text = read_words(model, io["text"], io["l_mask"])
    features = model.encode_pairs(io["image"], text, torch.arange(2))

    def close(came: Tensor, wanted: str) -> None:
        torch.testing.assert_close(came, io[wanted], rtol=1e-4, atol=1e-4, msg=wanted)

    for came, wanted in zip((text.words, *features.levels), ("bert_last_hidden", "c1", "c2", "c3", "c4"), strict=True):
        close(came, wanted)
    noises = iter([io[f"gumbel{i}"] for i in range(3)] * 2)
    for variant in ("zero", "noise"):
        if variant == "noise":
            monkeypatch.setattr(token_grouping, "gumbel_noise", lambda like: next(noises))
            for group in model.groups:
                group.training = True  # noise is drawn; what is inside it stays as in use
        x, read, shares = model.read(features, text)
        for i, share in enumerate(shares):
            close(share, f"{variant}_hitmap{i}")
        close(model.head.convolved(x, read[:, -1]), f"{variant}_logits_low")
        prediction = model.decode(features, text)
        close(prediction.mask_logits[:, None], f"{variant}_logits")
