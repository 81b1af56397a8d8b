"""SeqTR against the figures of its release, through the converter, and published names all the way to a model file."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from image_core.checkpoint import load_model
from image_core.convert.options import ConvertOptions
from image_core.convert.seqtr import SEQTR, convert_seqtr, seqtr_description
from image_core.convert.state_dicts import load_weights, read_state_dict
from image_core.encoders.gru import GruConfig, GruTextEncoder, fixed_length, word_tokenizer
from image_core.errors import CheckpointError, DataError, UnknownNameError
from image_core.models.contour import contours_of
from image_core.models.description import EncoderConfig, ModelConfig
from image_core.models.seqtr import SeqTR
from image_core.models.table import build_model
from image_core.types import ImageFeatures

WORDS = ("PAD", "UNK", "CLS", "the", "red", "dog", "left")


def published_names(model: SeqTR) -> dict[str, Tensor]:
    """A model's tensors under the names of the release, written from the list of its keys and not from our rules."""
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("presence_")}
    names: dict[str, Tensor] = {}
    heads = {"0": "0", "2": "1", "4": "2"}
    for key, value in state.items():
        key = re.sub(r"^vision\.(?:stem|stages\.\d)\.", "vis_enc.darknet.", key)
        key = key.replace("text.embedding.", "lan_enc.embedding.").replace("text.gru.", "lan_enc.lstm.")
        key = key.replace("fusion.fine_down.", "fusion.down_bot2mid.1.").replace("middle_down.", "down_mid2top.1.")
        key = key.replace("fusion.project.", "fusion.top_project.")
        key = key.replace("to_tokens.0.", "head.transformer.input_proj.conv.")
        key = key.replace("to_tokens.1.", "head.transformer.input_proj.gn.")
        key = re.sub(r"^decoder\.head\.(\d)\.", lambda m: f"head.predictor.{heads[m[1]]}.fc.", key)
        key = key.replace("decoder.embedding.", "head.transformer.query_embedding.")
        key = key.replace("decoder.position.", "head.transformer.seq_positional_encoding.embedding.")
        key = re.sub(r"^encoder\.(?=\d)", "head.transformer.encoder.layers.", key)
        key = re.sub(r"^decoder\.", "head.transformer.decoder.", key)
        key = key.replace("self_attention", "self_attn").replace("cross_attention", "multihead_attn")
        key = key.replace("feed_forward.", "").replace("_attn.out.", "_attn.out_proj.")
        stacked = re.fullmatch(r"(.+)\.to_([qkv])\.(weight|bias)", key)
        if stacked is None:
            names[key] = value
        elif stacked[2] == "q":
            parts = [state[next(k for k in state if state[k] is value).replace("to_q", f"to_{x}")] for x in "qkv"]
            names[f"{stacked[1]}.in_proj_{stacked[3]}"] = torch.cat(parts)
    return names


@pytest.fixture(scope="module")
def small(tiny_spec: Callable[..., ModelConfig]) -> SeqTR:
    """The release's architecture with its own encoders, narrow; 8 heads, which its files do not tell."""
    torch.manual_seed(0)
    spec = replace(
        tiny_spec("seqtr", heads=8, channels=64, bin_offset=0.0),
        vision=EncoderConfig("darknet53", options={"width": 2, "blocks": (1, 2, 1, 2, 1)}),
        text=EncoderConfig("gru"),
        max_words=15,
    )
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    text = GruTextEncoder(GruConfig(len(WORDS), 8, 8), fixed_length(word_tokenizer(vocabulary), 15))
    model = build_model(spec, tokenizer_json=text.tokenizer_json()).eval()
    for name, buffer in model.named_buffers():
        if name.endswith("running_var"):
            torch.nn.init.uniform_(buffer, 0.5, 2.0)
    return cast(SeqTR, model)


@pytest.fixture
def file(small: SeqTR, tmp_path: Path) -> Path:
    """A checkpoint as the release writes it: averaged weights beside plain ones, a prefix, and the vocabulary."""
    names = published_names(small)
    content = {
        "epoch": 3,
        "state_dict": {k: torch.zeros_like(v) for k, v in names.items()},
        "ema_state_dict": {f"module.{k}": v for k, v in names.items()},
    }
    torch.save(content, tmp_path / "best.pth")
    (tmp_path / "token_to_ix.json").write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    return tmp_path / "best.pth"


@torch.no_grad()
def test_a_published_file_becomes_a_model_file(small: SeqTR, file: Path) -> None:
    spec = convert_seqtr(file, file.with_name("ours.safetensors"), ConvertOptions())
    assert {key: getattr(small.config, key) for key in spec.config} == spec.config
    assert spec.vision.options["blocks"] == (1, 2, 1, 2, 1)
    loaded = load_model(file.with_name("ours.safetensors"))
    assert loaded.preprocessing.pixel_scale == 1.0 and loaded.preprocessing.resize == "keep_ratio"
    assert loaded.provenance.words == tuple(sorted(WORDS))
    state = loaded.model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in small.state_dict().items())
    said = ["The red-dog, (left)!", "red"]
    a, b = small.encode_text(said), loaded.model.encode_text(said)
    assert torch.equal(a.sentence, b.sentence) and (~a.word_pad_mask).sum(1).tolist() == [4, 1]
    alone = small.encode_text(["red"])
    torch.testing.assert_close(alone.sentence[0], a.sentence[1])


def test_values_that_no_shape_determines_are_options(file: Path) -> None:
    usual, told = file.with_name("usual.safetensors"), file.with_name("told.safetensors")
    convert_seqtr(file, usual, ConvertOptions())
    convert_seqtr(file, told, ConvertOptions(heads=2, size_px=320, max_words=20))
    heads = [load_model(path).spec.config.get("heads", 8) for path in (usual, told)]
    assert heads == [8, 2] and load_model(told).spec.max_words == 20
    assert [load_model(path).preprocessing.size_px for path in (usual, told)] == [640, 320]


@pytest.mark.parametrize("places", [5, 8])
def test_a_model_of_boxes_is_no_model_of_contours(small: SeqTR, file: Path, places: int) -> None:
    """4 numbers and the end: converted, its boxes would be read as two points of a contour."""
    names = published_names(small)
    key = "head.transformer.seq_positional_encoding.embedding.weight"
    names[key] = torch.zeros(places, names[key].shape[1])
    torch.save(names, file)
    with pytest.raises(CheckpointError, match=f"got one of {places} places: contours have 7 or more, an odd number"):
        convert_seqtr(file, file.with_name("ours.safetensors"), ConvertOptions())


def test_a_pickled_vocabulary_is_read_and_nothing_else_of_it(file: Path) -> None:
    import pickle

    vocabulary = file.with_name("token_to_ix.json")
    words = json.loads(vocabulary.read_text())
    vocabulary.unlink()
    with pytest.raises(DataError, match=r"no token_to_ix\.pkl or \.json beside it"):
        convert_seqtr(file, file.with_name("a.safetensors"), ConvertOptions())
    file.with_name("token_to_ix.pkl").write_bytes(pickle.dumps(words))
    convert_seqtr(file, file.with_name("a.safetensors"), ConvertOptions())
    file.with_name("token_to_ix.pkl").write_bytes(pickle.dumps({"PAD": Path("x")}))
    with pytest.raises(DataError, match="expected plain lists and dicts"):
        convert_seqtr(file, file.with_name("b.safetensors"), ConvertOptions())
    file.with_name("token_to_ix.pkl").write_bytes(pickle.dumps({"PAD": 0, "UNK": 1}))
    with pytest.raises(DataError, match="expected 7 words, one for each of the checkpoint's rows, got 2"):
        convert_seqtr(file, file.with_name("b.safetensors"), ConvertOptions())
    file.with_name("token_to_ix.pkl").write_bytes(pickle.dumps({"PAD": 0, "UNK": "1"}))
    with pytest.raises(DataError, match="expected 7 words, one for each"):
        convert_seqtr(file, file.with_name("b.safetensors"), ConvertOptions())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.transformer.decoder.norm.bias"), r"1 missing \(decoder.norm.bias\)"),
        (lambda s: s.update({"head.new.weight": torch.zeros(1)}), r"1 not of this project as it is known \(head.new"),
        (lambda s: s.update({"head.predictor.0.fc.bias": torch.zeros(3)}), r"1 of another shape \(decoder.head.0.bias"),
        (lambda s: s.pop("vis_enc.darknet.0.conv.weight"), "none with a tensor 'vis_enc.darknet.0.conv.weight'"),
        (lambda s: s.clear(), "expected a state dict of tensors"),
    ],
)
def test_the_converter_is_strict(small: SeqTR, file: Path, change: Callable[[dict], Any], message: str) -> None:
    names = published_names(small)
    change(names)
    torch.save(names, file)
    with pytest.raises(CheckpointError, match=message) as error:
        convert_seqtr(file, file.with_name("ours.safetensors"), ConvertOptions())
    assert "\n" not in str(error.value) and not file.with_name("ours.safetensors").exists()


def test_word_vectors_inside_or_beside(small: SeqTR, file: Path) -> None:
    """An average that was not kept is passed over, and wrappers' prefixes come off whatever their order."""
    names = published_names(small)
    vectors = names.pop("lan_enc.embedding.weight").numpy()
    torch.save({"ema_state_dict": {}, "state_dict": {f"module._orig_mod.{k}": v for k, v in names.items()}}, file)
    with pytest.raises(CheckpointError, match=r"got none with a tensor 'lan_enc\.embedding\.weight'"):
        convert_seqtr(file, file.with_name("ours.safetensors"), ConvertOptions())
    np.savez(file.with_name("word_emb.npz"), vectors)
    convert_seqtr(file, file.with_name("ours.safetensors"), ConvertOptions())
    state = load_model(file.with_name("ours.safetensors")).model.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in small.state_dict().items())
    np.savez(file.with_name("word_emb.npz"), vectors, vectors)
    with pytest.raises(DataError, match="expected one table of word vectors, a row each, got arrays of shapes"):
        convert_seqtr(file, file.with_name("ours.safetensors"), ConvertOptions())
    file.with_name("word_emb.npz").write_bytes(b"nonsense")
    with pytest.raises(DataError, match="expected an archive of numpy"):
        convert_seqtr(file, file.with_name("ours.safetensors"), ConvertOptions())


def test_files_that_are_none(tmp_path: Path) -> None:
    for content in (b"", b"nonsense", b"\x80\x02}q\x00."):
        (tmp_path / "x.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"x\.pth"):
            read_state_dict(tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="no such file"):
        read_state_dict(tmp_path / "y.pth")
    save_file({"a": torch.zeros(1)}, tmp_path / "z.safetensors")
    with pytest.raises(CheckpointError, match="1 not of this project"):
        SEQTR.rename_keys(read_state_dict(tmp_path / "z.safetensors"))


def test_the_published_size_is_described_from_its_shapes() -> None:
    """DarkNet-53, 1000 bins, 18 points, on the meta device: published weights have a place to go."""
    with torch.device("meta"):
        spec = ModelConfig("seqtr", EncoderConfig("darknet53"), EncoderConfig("gru"), {"bin_offset": 0.0}, 15)
        model = cast(SeqTR, build_model(spec))
    names = published_names(model)
    found = seqtr_description(names)
    assert found == spec, "what is as published is not named"
    assert names["vis_enc.darknet.10.module_list.3.1.conv.weight"].shape == (1024, 512, 3, 3)
    assert names["vis_enc.darknet.13.bn.weight"].shape == (1024,)
    load_weights(model, SEQTR.rename_keys(names), "meta")


@pytest.mark.shared
@torch.no_grad()
def test_parity_seqtr(shared_dir: Path) -> None:
    """Sentence, fused map, positions, memory and forced logits to 1e-4; greedy tokens equal."""
    folder = shared_dir / "parity" / "models" / "seqtr"
    io = {k: torch.from_numpy(np.asarray(v)) for k, v in np.load(folder / "io.npz").items()}
    published = load_file(folder / "state_dict.safetensors")
    # The fixture has no DarkNet: any encoder with its widths stands in, and its features are given.
    spec = ModelConfig(
        name="seqtr",
        vision=EncoderConfig("tiny", options={"channels": (8, 24, 48, 96), "layers": (1, 1, 1, 1)}),
        text=EncoderConfig("gru"),
        config={
            "fusion_channels": 96,
            "channels": 64,
            "hidden": 256,
            "bins": 100,
            "points": 6,
            "bin_offset": 0.0,
        },
        max_words=15,
    )
    vocabulary = {"PAD": 0, "UNK": 1, **{f"w{i}": i for i in range(2, 60)}}
    text = GruTextEncoder(GruConfig(60, 48, 48), fixed_length(word_tokenizer(vocabulary), 15))
    model = cast(SeqTR, build_model(spec, tokenizer_json=text.tokenizer_json()).eval())
    own = {k: v for k, v in model.state_dict().items() if k.startswith("vision.")}
    load_weights(model, own | SEQTR.rename_keys(published), "fixture")

    def close(came: Tensor, wanted: str) -> None:
        torch.testing.assert_close(came, io[wanted], rtol=1e-4, atol=1e-4, msg=wanted)

    # Words are rows of the vocabulary, so the expressions can be written down and go through the tokenizer too.
    expressions = [" ".join(f"w{i}" for i in row if i) for row in io["ref_expr_inds"].tolist()]
    words = model.encode_text(expressions)
    close(words.sentence[:, None], "y")
    valid_px = io["img_shapes"]
    stem = torch.zeros(2, 1, 48, 48)
    image = ImageFeatures((stem, model.fusion(io["feat8"], io["feat16"], io["feat32"])), (4, 32), valid_px)
    joined = model.join(image, words)
    close(joined, "x_mm")
    memory = model.encode_joined(joined, valid_px)
    assert torch.equal(memory.pad_mask, io["x_mask"])
    close(memory.position, "x_pos")
    close(memory.tokens, "memory")
    close(model.decoder(memory, io["teacher_seq"]), "teacher_logits")
    generated = model.decoder.generate(memory)
    assert torch.equal(generated.tokens, io["seq_out_mask"])

    cache, token, box = model.decoder.begin(memory), None, []
    for _ in range(4):  # a box: the likeliest coordinates, the end left out
        logits, cache = model.decoder.step(token, cache)
        token = logits[:, : model.decoder.end].argmax(-1)
        box.append(token)
    assert torch.equal(torch.stack(box, 1), io["seq_out_bbox"].long())

    contours = contours_of(generated.tokens, io["pad_shapes"], bins=model.decoder.end, offset=0.0)
    pad_px = io["pad_shapes"].flip(1)[:, None]
    expected = io["seq_out_mask"][:, :12].reshape(2, 6, 2) / 100 * pad_px
    torch.testing.assert_close(torch.from_numpy(np.stack(contours)).float(), expected.float(), rtol=1e-5, atol=1e-5)


def test_unknown_projects_suggest_the_nearest() -> None:
    from image_core.convert.table import project

    with pytest.raises(UnknownNameError, match="unknown project 'seqt': did you mean 'seqtr'"):
        project("seqt")
