"""Laws of the text encoders: equal to transformers on files in the real formats, and blind to padding."""

from __future__ import annotations

import json
import logging
import string
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from image_core.encoders.bert import BertConfig as OwnConfig
from image_core.encoders.bert import build_bert
from image_core.encoders.text import SMALL_VOCABULARY, TextEncoder, build_text_encoder
from image_core.errors import CheckpointError, ConfigError, RvosError

EXPRESSIONS = ["the red star", "a big dog, left of the man's second wheel"]
TINY: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
LETTERS = string.ascii_lowercase + string.digits
PUNCTUATION = ",.'!?-"


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _randomised(net: nn.Module) -> Any:
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return net.eval()


def _bert(folder: Path) -> Any:
    """A checkpoint with a head, as they are published: every key begins with `bert.`"""
    from transformers import BertConfig, BertForMaskedLM, BertTokenizer

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *PUNCTUATION, *("##" + c for c in LETTERS), "the"]
    BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}).save_pretrained(folder)
    model = _randomised(BertForMaskedLM(BertConfig(vocab_size=len(pieces), **TINY)))
    model.save_pretrained(folder)
    return model.bert


def _byte_level(end: str) -> list[str]:
    from tokenizers.pre_tokenizers import ByteLevel

    alphabet = sorted(ByteLevel.alphabet())
    return alphabet + [c + end for c in alphabet] if end else alphabet


def _roberta(folder: Path) -> Any:
    from transformers import RobertaConfig, RobertaForMaskedLM, RobertaTokenizer

    pieces = ["<s>", "<pad>", "</s>", "<unk>", *_byte_level(""), "th", "the", "<mask>"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges: Any = [("t", "h"), ("th", "e")]
    RobertaTokenizer(vocab=vocabulary, merges=merges).save_pretrained(folder)
    config = RobertaConfig(vocab_size=len(pieces), max_position_embeddings=66, type_vocab_size=1, **TINY)
    model = _randomised(RobertaForMaskedLM(config))
    model.save_pretrained(folder)
    return model.roberta


def _clip(folder: Path) -> Any:
    """The whole of CLIP in the folder; only its text side is read."""
    from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

    pieces = [*_byte_level("</w>"), "th", "the</w>", "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    merges: Any = [("t", "h"), ("th", "e</w>")]
    CLIPTokenizer(vocab=vocabulary, merges=merges).save_pretrained(folder)
    ends = {"bos_token_id": len(pieces) - 2, "eos_token_id": len(pieces) - 1, "pad_token_id": len(pieces) - 1}
    config = CLIPConfig(
        text_config={**TINY, **ends, "vocab_size": len(pieces), "max_position_embeddings": 77},
        vision_config={**TINY, "image_size": 32, "patch_size": 16},
        projection_dim=16,
    )
    model = _randomised(CLIPModel(config))
    model.save_pretrained(folder)
    return model.text_model


MAKERS = {"bert": _bert, "roberta": _roberta, "clip": _clip}


@pytest.fixture(scope="module", params=MAKERS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    """(family, folder, the transformers model whose weights lie in it)."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, MAKERS[request.param](folder)


def test_bert_starts_and_learns_as_in_transformers() -> None:
    """The same seed draws the same weights and drops the same values: what was trained before stays what it was."""
    from transformers import BertConfig, BertModel

    config = BertConfig(vocab_size=40, **TINY)
    torch.manual_seed(1)
    theirs = BertModel._from_config(config, attn_implementation="sdpa", add_pooling_layer=False).train()
    torch.manual_seed(1)
    embeddings, layers = build_bert(OwnConfig.from_published(config.to_dict()))
    ids, keep = torch.arange(1, 15).view(2, 7), torch.ones(2, 1, 1, 7, dtype=torch.bool)
    torch.manual_seed(2)
    wanted = theirs.embeddings(input_ids=ids)
    for layer in theirs.encoder.layer:
        wanted = layer(wanted, keep)
    torch.manual_seed(2)
    hidden = embeddings(ids)
    for layer in layers:
        hidden = layer(hidden, keep)
    assert embeddings.training and torch.equal(hidden, wanted)


def _assert_rows_equal(encoder: TextEncoder, expressions: list[str]) -> None:
    """A batch is its expressions one by one, whatever is padded."""
    together = encoder(expressions)
    assert together.word_pad_mask.any(), "nothing is padded: this would show nothing"
    for i, text in enumerate(expressions):
        alone = encoder([text])
        keep = ~together.word_pad_mask[i]
        assert not alone.word_pad_mask.any()
        torch.testing.assert_close(together.words[i][keep], alone.words[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(together.sentence[i], alone.sentence[0], atol=1e-5, rtol=1e-4)


def test_folder_equals_transformers(checkpoint: tuple[str, Path, Any]) -> None:
    from transformers import AutoTokenizer

    family, folder, model = checkpoint
    encoder = build_text_encoder(str(folder), pretrained=True, max_words=64).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(EXPRESSIONS, padding=True, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    wanted = model(**inputs)

    tokens = encoder.tokenize(EXPRESSIONS)
    assert torch.equal(tokens.input_ids, inputs["input_ids"])
    assert torch.equal(tokens.word_pad_mask, inputs["attention_mask"] == 0)
    hidden = encoder.embed(tokens)
    for layer in encoder.layers:
        hidden = layer(hidden, tokens.word_pad_mask)
    keep = ~tokens.word_pad_mask
    torch.testing.assert_close(hidden[keep], wanted.last_hidden_state[keep], atol=1e-5, rtol=1e-4)

    features = encoder(EXPRESSIONS)
    assert torch.equal(features.words, hidden) and features.words.shape[-1] == encoder.channels
    sentence = wanted.pooler_output if family == "clip" else wanted.last_hidden_state[:, 0]
    torch.testing.assert_close(features.sentence, sentence, atol=1e-5, rtol=1e-4)


def test_padding_changes_nothing(checkpoint: tuple[str, Path, Any]) -> None:
    _assert_rows_equal(build_text_encoder(str(checkpoint[1]), pretrained=True).eval(), EXPRESSIONS)


def test_rebuilt_from_its_own_json(checkpoint: tuple[str, Path, Any]) -> None:
    """Neither the folder nor the hub is needed to rebuild what a model file brings weights for."""
    _, folder, _ = checkpoint
    encoder = build_text_encoder(str(folder), pretrained=True).eval()
    text = encoder.tokenizer_json()
    again = build_text_encoder("/no/such/folder", pretrained=True, tokenizer_json=text).eval()
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(EXPRESSIONS).words, encoder(EXPRESSIONS).words)
    assert again.tokenizer_json() == text


def test_every_parameter_gets_a_gradient(checkpoint: tuple[str, Path, Any]) -> None:
    encoder = build_text_encoder(str(checkpoint[1]))
    features = encoder(EXPRESSIONS)
    (features.words.square().sum() + features.sentence.sum()).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


def test_random_weights_differ_from_pretrained(checkpoint: tuple[str, Path, Any]) -> None:
    """Without `pretrained` a folder gives its sizes and its tokenizer, not its weights."""
    _, folder, _ = checkpoint
    fresh, loaded = (build_text_encoder(str(folder), pretrained=flag).eval() for flag in (False, True))
    assert torch.equal(fresh.tokenize(EXPRESSIONS).input_ids, loaded.tokenize(EXPRESSIONS).input_ids)
    assert not torch.allclose(fresh(EXPRESSIONS).words, loaded(EXPRESSIONS).words, atol=1e-2)


def test_bert_folder_with_a_plain_word_list(tmp_path: Path) -> None:
    """Older folders have `vocab.txt` and no `tokenizer.json`."""
    _bert(tmp_path)
    before = build_text_encoder(str(tmp_path)).tokenize(EXPRESSIONS)
    pieces = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(pieces, key=pieces.get)) + "\n")
    (tmp_path / "tokenizer.json").unlink()
    assert torch.equal(build_text_encoder(str(tmp_path)).tokenize(EXPRESSIONS).input_ids, before.input_ids)


def test_words_are_capped_and_keep_their_ends() -> None:
    encoder = build_text_encoder("small", max_words=6)
    ids = encoder.tokenize(["the red star left of the big blue circle", "the star"]).input_ids
    first, last, padding = (encoder.tokenize(["the"]).input_ids[0, i].item() for i in (0, 2, 0))
    assert ids.shape == (2, 6) and ids[0, 0] == first and ids[0, -1] == last
    assert padding == first and encoder.tokenize(["the star", "the"]).input_ids.shape == (2, 4)


def test_small_is_blind_to_padding_and_steps() -> None:
    encoder = build_text_encoder("small").eval()
    _assert_rows_equal(encoder, EXPRESSIONS)
    tokens = encoder.tokenize(EXPRESSIONS)
    hidden = encoder.embed(tokens)
    for layer in encoder.layers:
        hidden = layer(hidden, tokens.word_pad_mask)
    features = encoder.collect(hidden, tokens)
    assert torch.equal(features.words, encoder(EXPRESSIONS).words)
    assert torch.equal(features.sentence, features.words[:, 0])
    assert encoder.channels == 128 and len(encoder.layers) == 3
    assert sum(p.numel() for p in encoder.parameters()) < 0.7e6


def test_small_spells_any_english_word() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(SMALL_VOCABULARY)
    probe = 'The Jagged vehicle\'s 2nd-left wheel (no. 7), quartz & "zebra" ~ xylophone'
    everything = " ".join(f"a{c} {c}" for c in string.printable if not c.isspace())
    for text in (probe, everything):
        assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]
    assert tokenizer.tokenize("THE STAR") == ["the", "star"]
    assert tokenizer.decode(tokenizer("quartz star")["input_ids"]) == "[CLS] quartz star [SEP]"


def test_small_has_every_training_word_whole() -> None:
    """Otherwise the language has changed: run tools/train_vocabulary.py again."""
    from image_core.synthetic.language import training_words

    encoder = build_text_encoder("small", max_words=64)
    pieces = [encoder.tokenize([word]).input_ids.shape[1] - 2 for word in sorted(training_words()) if word.isalnum()]
    assert len(pieces) > 100 and set(pieces) == {1}


def test_small_takes_options() -> None:
    encoder = build_text_encoder("small", options={"hidden_size": 64, "num_hidden_layers": 1})
    assert encoder.channels == 64 and len(encoder.layers) == 1


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        # The published counts, less the pooler (BERT, RoBERTa: 768 * 768 + 768).
        ("bert-base-uncased", 109_482_240 - 590_592),
        ("roberta-base", 124_645_632 - 590_592),
        ("openai/clip-vit-base-patch32", 63_165_952),
    ],
)
def test_published_sizes_without_the_hub(name: str, parameters: int, caplog: pytest.LogCaptureFixture) -> None:
    with torch.device("meta"), caplog.at_level(logging.WARNING):
        encoder = build_text_encoder(name)
        assert encoder(["the red star"]).words.is_meta
    assert sum(p.numel() for p in encoder.parameters()) == parameters
    assert "the small vocabulary in place of its own" in caplog.text


def test_tokens_follow_the_parameters() -> None:
    encoder = build_text_encoder("small").to("meta")
    tokens = encoder.tokenize(EXPRESSIONS)
    assert tokens.input_ids.is_meta and tokens.word_pad_mask.is_meta


def _line(caught: pytest.ExceptionInfo[Any]) -> str:
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["bert-base-uncased", "someone/some-bert"])
def test_no_network_is_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(RvosError, match="connect to the network, or give a local folder") as caught:
        build_text_encoder(name, pretrained=True)
    assert name in _line(caught)


def test_bad_settings() -> None:
    with pytest.raises(ConfigError, match="'colour'"):
        build_text_encoder("small", options={"colour": 1})
    with pytest.raises(ConfigError, match="expected hidden_size to divide by num_attention_heads, got 128 and 3"):
        build_text_encoder("small", options={"num_attention_heads": 3})
    with pytest.raises(ConfigError, match="no published weights"):
        build_text_encoder("small", pretrained=True)
    with pytest.raises(ConfigError, match=r"expected at least 3 \(a first token"):
        build_text_encoder("small", max_words=2)
    with pytest.raises(ValueError, match="at least one"):
        build_text_encoder("small").tokenize([])


def test_folders_that_do_not_fit(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file
    from transformers import GPT2Config

    _bert(tmp_path)
    weights = tmp_path / "model.safetensors"
    state: dict[str, Tensor] = load_file(weights)

    save_file({k: v for k, v in state.items() if "layer.1.output" not in k}, weights, {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"[1-9] missing \(.*layer\.1\.output") as caught:
        build_text_encoder(str(tmp_path), pretrained=True)
    _line(caught)

    save_file({**state, "bert.embeddings.position_embeddings.weight": torch.zeros(9, 32)}, weights, {"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"1 of another shape \(.*position_embeddings.* \(9, 32\) for \(512, 32\)"
    ) as caught:
        build_text_encoder(str(tmp_path), pretrained=True)
    _line(caught)

    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="are they whole") as caught:
        build_text_encoder(str(tmp_path), pretrained=True)
    _line(caught)

    weights.unlink()
    with pytest.raises(RvosError, match=r"weights could not be read .*complete the folder") as caught:
        build_text_encoder(str(tmp_path), pretrained=True)
    _line(caught)

    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_act": "relu", **TINY}))
    with pytest.raises(ConfigError, match="expected hidden_act 'gelu', got 'relu'") as caught:
        build_text_encoder(str(tmp_path))
    _line(caught)

    GPT2Config().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="expected a model of type bert, roberta or clip, got 'gpt2'"):
        build_text_encoder(str(tmp_path))
