"""LAVT: its figures by hand and against the release's, and its checkpoints all the way to a model file."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from image_core.checkpoint import load_model
from image_core.convert.lavt import LAVT, convert_lavt, lavt_description
from image_core.convert.options import ConvertOptions
from image_core.convert.state_dicts import load_weights
from image_core.errors import CheckpointError, ConfigError, DataError
from image_core.losses import two_class_loss
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.lavt import Lavt
from image_core.models.table import build_model
from tests.image_core.published_models import WORDS, names_in_lavt, narrow, read_words


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Lavt:
    """The release's architecture, narrow."""
    config = {"channels": 24, "fusion_heads": (1, 2, 4, 8)}
    return cast(Lavt, narrow("lavt", config, tmp_path_factory.mktemp("words")))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS))
    return tmp_path


def same(a: torch.nn.Module, b: torch.nn.Module) -> None:
    theirs = b.state_dict()
    assert all(torch.equal(value, theirs[key]) for key, value in a.state_dict().items())


@torch.no_grad()
def test_a_file_of_lavt_one_becomes_a_model_file(small: Lavt, folder: Path) -> None:
    """The arguments of its training say the heads; the wrapper's prefix and the optimiser are left behind."""
    names = names_in_lavt(small)
    content = {
        "model": {f"module.{k}": v for k, v in names.items()},
        "optimizer": {"state": {}},
        "epoch": 3,
        "args": argparse.Namespace(mha="1-2-4-8", swin_type="base", window12=True),
        "best": np.float64(0.7),
    }
    torch.save(content, folder / "lavt_one.pth")
    spec = convert_lavt(folder / "lavt_one.pth", folder / "ours.safetensors", ConvertOptions())
    assert spec.config == {"channels": 24, "fusion_heads": (1, 2, 4, 8)}
    assert spec.vision.options["window_size"] == 3 and spec.vision.options["mlp_ratio"] == 2
    loaded = load_model(folder / "ours.safetensors")
    same(small, loaded.model)
    assert (loaded.preprocessing.size_px, loaded.preprocessing.resize) == (480, "squash")
    said = ["The RED doggy.", "left"]
    a, b = small.encode_text(said), loaded.model.encode_text(said)
    assert torch.equal(a.words, b.words) and (~a.word_pad_mask).sum(1).tolist() == [7, 3]
    with pytest.raises(CheckpointError, match=r"expected fusion_heads \(1, 2, 4, 8\), which its own arguments say"):
        convert_lavt(folder / "lavt_one.pth", folder / "b.safetensors", ConvertOptions(fusion_heads=(8,)))


def test_arguments_of_the_training_say_heads_and_side(small: Lavt, folder: Path) -> None:
    content: dict[str, Any] = {"net": names_in_lavt(small), "args": {"mha": "1-2-4-8", "img_size": 96}}
    torch.save(content, folder / "x.pth")
    spec = convert_lavt(folder / "x.pth", folder / "ours.safetensors", ConvertOptions())
    assert spec.config["fusion_heads"] == (1, 2, 4, 8)
    assert load_model(folder / "ours.safetensors").preprocessing.size_px == 96
    with pytest.raises(CheckpointError, match="expected size_px 96, which its own arguments say, got 128"):
        convert_lavt(folder / "x.pth", folder / "b.safetensors", ConvertOptions(size_px=128))
    content["args"] = {"mha": "1-2-4-8", "img_size": "96"}
    torch.save(content, folder / "x.pth")
    with pytest.raises(CheckpointError, match="expected img_size as a number of pixels among its arguments, got '96'"):
        convert_lavt(folder / "x.pth", folder / "b.safetensors", ConvertOptions())


def test_a_file_of_lavt_has_its_bert_beside(small: Lavt, folder: Path) -> None:
    names = names_in_lavt(small)
    bert = {k.removeprefix("text_encoder."): v for k, v in names.items() if k.startswith("text_encoder.")}
    content = {"model": {k: v for k, v in names.items() if not k.startswith("text_encoder.")}, "bert_model": bert}
    torch.save(content, folder / "lavt.pth")
    convert_lavt(folder / "lavt.pth", folder / "ours.safetensors", ConvertOptions(fusion_heads=(1, 2, 4, 8)))
    same(small, load_model(folder / "ours.safetensors").model)
    del content["bert_model"]
    torch.save(content, folder / "lavt.pth")
    with pytest.raises(CheckpointError, match="expected lavt or lavt_one with its BERT, got none"):
        convert_lavt(folder / "lavt.pth", folder / "ours.safetensors", ConvertOptions())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("classifier.bn2_3.bias"), r"1 missing \(decoder.1.blocks.1.1.bias\)"),
        (lambda s: s.update({"classifier.new": torch.zeros(1)}), r"1 not of this project as it is known \(classifier"),
        (lambda s: s.update({"classifier.conv1_1.bias": torch.zeros(3)}), r"1 of another shape \(classes.bias\)"),
    ],
)
def test_the_converter_is_strict(small: Lavt, folder: Path, change: Callable[[dict], Any], message: str) -> None:
    names = names_in_lavt(small)
    change(names)
    torch.save({"model": names}, folder / "x.pth")
    with pytest.raises(CheckpointError, match=message) as error:
        convert_lavt(folder / "x.pth", folder / "ours.safetensors", ConvertOptions())
    assert "\n" not in str(error.value) and not (folder / "ours.safetensors").exists()


def test_missing_or_wrong_arguments_are_refused(small: Lavt, folder: Path) -> None:
    torch.save({"model": names_in_lavt(small)}, folder / "x.pth")
    for heads, message in (((2, 2), "expected one number or four, one a stage, got 2"), ((3,), "expected divisors")):
        with pytest.raises(ConfigError, match=message):
            convert_lavt(folder / "x.pth", folder / "ours.safetensors", ConvertOptions(fusion_heads=heads))
    (folder / "vocab.txt").write_text("\n".join(WORDS[:-1]))
    with pytest.raises(DataError, match="expected 10 words, one for each of the checkpoint's rows, got 9"):
        convert_lavt(folder / "x.pth", folder / "ours.safetensors", ConvertOptions())
    (folder / "vocab.txt").write_text("\n".join(w for w in WORDS if w != "[SEP]"))
    with pytest.raises(DataError, match=r"got none of \[SEP\]"):
        convert_lavt(folder / "x.pth", folder / "ours.safetensors", ConvertOptions())
    (folder / "vocab.txt").unlink()
    with pytest.raises(DataError, match=r"no vocab\.txt or tokenizer\.json of bert-base-uncased beside it"):
        convert_lavt(folder / "x.pth", folder / "ours.safetensors", ConvertOptions())


class Stranger:
    """A class that no checkpoint needs."""


def test_a_pickle_that_asks_for_a_class_is_not_run(small: Lavt, folder: Path) -> None:
    torch.save({"model": names_in_lavt(small), "args": Stranger()}, folder / "x.pth")
    with pytest.raises(CheckpointError, match="expected a file of tensors and plain values"):
        convert_lavt(folder / "x.pth", folder / "ours.safetensors", ConvertOptions())


def test_the_published_size_is_described_from_its_shapes() -> None:
    """Swin-B with windows of 12 and BERT-base, on the meta device: published weights have a place to go."""
    with torch.device("meta"):
        model = build_model(ModelConfig("lavt", EncoderConfig("swin_base_patch4_window12_384"), EncoderConfig("small")))
    bert = {"vocab_size": 30522, "num_hidden_layers": 12}
    names = {k: v for k, v in names_in_lavt(model).items() if not k.startswith("text_encoder")}
    text = "text_encoder.embeddings.{}_embeddings.weight"
    sizes = {"word": (30522, 768), "position": (512, 768), "token_type": (2, 768)}
    names |= {text.format(k): torch.empty(v, device="meta") for k, v in sizes.items()}
    layer = "text_encoder.encoder.layer.{}.intermediate.dense.weight"
    names |= {layer.format(i): torch.empty(3072, 768, device="meta") for i in range(12)}
    spec = lavt_description(names)
    assert spec.config == {}, "what is as published is not named"
    assert bert.items() <= spec.text.options.items() and spec.text.options["num_attention_heads"] == 12
    assert spec.vision.options == {
        "embed_dim": 128,
        "depths": (2, 2, 18, 2),
        "num_heads": (4, 8, 16, 32),
        "window_size": 12,
        "mlp_ratio": 4.0,
        "drop_path_rate": 0.3,
    }
    assert names["classifier.conv1_4.weight"].shape == (512, 1536, 3, 3)


def test_the_loss_is_the_weighted_cross_entropy_of_two_classes() -> None:
    torch.manual_seed(0)
    logits, truth = torch.randn(3, 2, 4, 5), torch.randint(0, 2, (3, 4, 5))
    expected = F.cross_entropy(logits, truth, weight=torch.tensor([0.9, 1.1]))
    given = two_class_loss(logits[:, 1] - logits[:, 0], truth.float(), (0.9, 1.1))
    torch.testing.assert_close(given, expected)
    with pytest.raises(ValueError, match=r"expected targets of shape \(3,\), got \(2,\)"):
        two_class_loss(torch.zeros(3), torch.zeros(2), (0.9, 1.1))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"fusion_heads": (1, 2)}, "LavtConfig.fusion_heads: expected 4 numbers, one a level, got (1, 2)"),
        ({"fusion_heads": (3, 1, 1, 1)}, "fusion_heads: expected divisors of the encoder's channels (8), got 3"),
        ({"loss": "focal"}, "LavtConfig.loss: expected one of cross_entropy, dice, got 'focal'"),
        ({"class_weights": (0.0, 1.0)}, "LavtConfig.class_weights: expected positive numbers, got (0.0, 1.0)"),
        ({"channels": 0}, "LavtConfig.channels: expected at least 1, got 0"),
    ],
)
def test_configs_that_cannot_be_built(tiny_spec: Callable[..., ModelConfig], config: dict, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        build_model(tiny_spec("lavt", **config))
    assert message in str(error.value)


@pytest.mark.shared
@torch.no_grad()
def test_parity_lavt(shared_dir: Path, tmp_path: Path) -> None:
    """Through a published checkpoint and a model file: words, levels, logits at both sizes to 1e-4; the masks."""
    fixture = shared_dir / "parity" / "models" / "lavt"
    io = {k: torch.from_numpy(np.asarray(v)) for k, v in np.load(fixture / "io.npz").items()}
    published = load_file(fixture / "state_dict.safetensors")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"w{i}" for i in range(4, 120))]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    torch.save({"model": published, "args": argparse.Namespace(mha="")}, tmp_path / "lavt.pth")
    convert_lavt(tmp_path / "lavt.pth", tmp_path / "ours.safetensors", ConvertOptions())
    model = cast(Lavt, load_model(tmp_path / "ours.safetensors").model)

    def close(came: Tensor, wanted: str) -> None:
        torch.testing.assert_close(came, io[wanted], rtol=1e-4, atol=1e-4, msg=wanted)

    text = read_words(model, io["text"], io["l_mask"])
    close(text.words, "bert_last_hidden")
    image = model.encode_pairs(io["image"], text, torch.arange(2))
    for level, name in zip(image.levels, ("c1", "c2", "c3", "c4"), strict=True):
        close(level, name)
    close(model.class_logits(image), "logits_low")
    found = model.decode(image, text).mask_logits
    io["difference"] = io["logits"][:, 1] - io["logits"][:, 0]
    close(found, "difference")
    clear = io["difference"].abs() > 1e-4
    assert clear.float().mean() > 0.999 and torch.equal((found > 0)[clear], (io["pred"] == 1)[clear])


@torch.no_grad()
def test_word_rules_do_not_hide_a_change_of_heads(small: Lavt) -> None:
    """The number of heads is in no shape, and changes what comes out: that is why it is asked for."""
    one = build_model(
        replace(lavt_description(names_in_lavt(small)), config={"channels": 24}),
        tokenizer_json=small.tokenizer_json(),
    ).eval()
    load_weights(one, LAVT.rename_keys(names_in_lavt(small)), "small")
    images, text = torch.randn(1, 3, 32, 64), small.encode_text(["the red dog"])
    a, b = (m.encode_pairs(images, text, torch.zeros(1, dtype=torch.long)).levels[3] for m in (small, cast(Lavt, one)))
    assert (a - b).abs().max() > 1e-3
