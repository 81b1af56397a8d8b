"""Model files: whole ones come back as they were, and every other file is refused in one line that says what to do."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from image_core.checkpoint import Provenance, load_model, save_model
from image_core.errors import CheckpointError
from image_core.model_file import FORMAT_VERSION, read_header
from image_core.models.base import Trainable
from image_core.models.description import ModelConfig
from image_core.models.table import build_model
from image_core.preprocessing import Preprocessing

PROVENANCE = Provenance(
    commit="abc",
    command="rvos train experiment=x model.config.channels=16",
    data="synthetic",
    seed=3,
    steps=12,
    date="2024-01-31",
    scores={"val": {"mIoU": 0.5}},
    words=("a", "red", "star's"),
)


@pytest.fixture(scope="module")
def spec(tiny_spec: Callable[..., ModelConfig]) -> ModelConfig:
    return tiny_spec(presence_head=True)


@pytest.fixture(scope="module")
def model(spec: ModelConfig) -> Trainable:
    torch.manual_seed(0)
    return build_model(spec).eval()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, model: Trainable, spec: ModelConfig, preprocessing: Preprocessing):
    path = tmp_path_factory.mktemp("models") / "whole.safetensors"
    save_model(path, model, spec, preprocessing, PROVENANCE)
    return path


@pytest.fixture
def altered(whole: Path, tmp_path: Path) -> Callable[..., Path]:
    """`altered(header=..., tensors=...)`: the whole file, written anew after two functions have changed its parts."""

    def write(
        header: Callable[[dict[str, Any]], Any] = lambda h: None,
        tensors: Callable[[dict[str, Tensor]], Any] = lambda t: None,
        text: str | None = None,
    ) -> Path:
        parts, state = contents(whole)
        changed = header(parts)
        tensors(state)
        path = tmp_path / "altered.safetensors"
        save_file(state, path, metadata={"rvos": text or json.dumps(parts if changed is None else changed)})
        return path

    return write


def contents(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["rvos"]), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def refusal(path: str | Path) -> str:
    """The one line that `load_model` says of the file; `read_header` is not more lenient about what it reads."""
    with pytest.raises(CheckpointError) as error:
        load_model(path)
    line = str(error.value)
    assert "\n" not in line and str(path) in line
    return line


def test_everything_comes_back(whole: Path, model: Trainable, spec: ModelConfig, preprocessing: Preprocessing) -> None:
    loaded = load_model(whole)
    assert loaded.provenance == PROVENANCE
    assert loaded.preprocessing == preprocessing
    assert json.dumps(loaded.spec.to_dict()) == json.dumps(spec.to_dict())
    assert not loaded.model.training
    own, theirs = model.state_dict(), loaded.model.state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(own[key], theirs[key]) and own[key].dtype == theirs[key].dtype for key in own)
    again = loaded.model.encode_text(["the reddest star", "unlikely zygote"]).words
    assert torch.equal(again, model.encode_text(["the reddest star", "unlikely zygote"]).words)


def test_words_that_are_not_known_stay_unknown(model: Trainable, spec: ModelConfig, preprocessing, tmp_path) -> None:
    save_model(tmp_path / "m.safetensors", model, spec, preprocessing, Provenance())
    assert load_model(tmp_path / "m.safetensors").provenance == Provenance()


def test_the_header_is_read_without_the_weights(whole: Path, altered: Callable[..., Path]) -> None:
    header = read_header(whole)
    assert sorted(header) == ["format_version", "model", "preprocessing", "provenance", "tokenizer"]
    assert header["format_version"] == FORMAT_VERSION and header["model"]["name"] == "s2rm"
    assert header["provenance"]["words"] == list(PROVENANCE.words or ())
    assert read_header(altered(tensors=lambda t: t.popitem()))["model"]["name"] == "s2rm"


def test_a_loaded_model_can_be_saved_again(whole: Path, tmp_path: Path) -> None:
    loaded = load_model(whole)
    path = tmp_path / "again.safetensors"
    save_model(path, loaded.model, loaded.spec, loaded.preprocessing, loaded.provenance)
    assert path.read_bytes() == whole.read_bytes()


def test_loading_never_looks_for_weights_or_the_network(
    model: Trainable,
    spec: ModelConfig,
    preprocessing: Preprocessing,
    altered: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("looked for the network")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    hub = replace(
        spec,
        vision=replace(spec.vision, pretrained=True, folder="/not/there"),
        text=replace(spec.text, name="somebody/some-bert", pretrained=True),
    )
    path = tmp_path / "m.safetensors"
    save_model(path, model, hub, preprocessing, PROVENANCE)
    saved = load_model(path).spec
    assert not (saved.vision.pretrained or saved.vision.folder or saved.text.pretrained)

    def make_pretrained(header: dict[str, Any]) -> None:
        header["model"] = hub.to_dict()

    assert not load_model(altered(header=make_pretrained)).spec.text.pretrained


def test_writing_is_at_once(
    whole: Path, model: Trainable, spec: ModelConfig, preprocessing: Preprocessing, tmp_path: Path, monkeypatch
) -> None:
    """A write that breaks leaves the file that was there, and a whole one leaves nothing beside itself."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(whole.read_bytes())

    write_bytes = Path.write_bytes

    def half(target: Path, data: bytes) -> int:
        write_bytes(target, data[: len(data) // 2])
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(OSError, match="No space"):
        save_model(path, model, spec, preprocessing, PROVENANCE)
    assert path.read_bytes() == whole.read_bytes()
    monkeypatch.undo()
    save_model(path, model, spec, preprocessing, Provenance())
    assert load_model(path).provenance == Provenance()
    assert [p.name for p in tmp_path.iterdir()] == ["m.safetensors"]
    beside = tmp_path / "beside"
    beside.touch()
    assert path.stat().st_mode == beside.stat().st_mode  # as readable as any file written here


def test_files_that_are_no_model(whole: Path, tmp_path: Path, model: Trainable) -> None:
    assert "expected a file, got none; give a .safetensors file, or a name from `rvos models`" in refusal(
        tmp_path / "none.safetensors"
    )
    assert "expected a file, got a folder; give a .safetensors file" in refusal(tmp_path)

    for size in (0, 5, 200, 20_000, whole.stat().st_size - 1):
        cut = tmp_path / "cut.safetensors"
        cut.write_bytes(whole.read_bytes()[:size])
        assert "not a whole safetensors file" in refusal(cut) and "copy it again" in refusal(cut)

    text = tmp_path / "text.safetensors"
    text.write_text("weights, but as prose\n" * 20)
    assert "not a whole safetensors file" in refusal(text)

    for legacy in (True, False):
        pickled = tmp_path / "pickled.pth"
        torch.save(model.state_dict(), pickled, _use_new_zipfile_serialization=not legacy)
        assert "expected a .safetensors file of ours, got a pickle, which can run code" in refusal(pickled)


@pytest.mark.parametrize(
    ("key", "project"),
    [
        ("vis_enc.darknet.0.conv.weight", "SeqTR"),
        ("module.backbone.layers.0.fusion.image_lang_att.f_key.0.weight", "LAVT"),
        ("sem_seg_head.predictor.query_feat.weight", "ReLA"),
        ("backbone.layers.0.pwam_fusion.vis_project.0.weight", "CGFormer"),
    ],
)
def test_files_of_other_projects(tmp_path: Path, key: str, project: str) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({key: torch.zeros(2), "backbone.norm0.weight": torch.zeros(2)}, path)
    line = refusal(path)
    assert f"looks like a {project} checkpoint; convert it with `rvos convert {project.lower()} IN OUT`" in line


def test_files_of_nobody_we_know(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    save_file({"encoder.weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    assert (
        "expected a model file written by `rvos train` or `rvos convert`, got another file (encoder.weight, ...)"
        in refusal(path)
    )
    save_file({}, path)
    assert "no tensors" in refusal(path)


@pytest.mark.parametrize("version", [0, FORMAT_VERSION + 1, None, "1"])
def test_other_format_versions(altered: Callable[..., Path], version: Any) -> None:
    line = refusal(altered(header=lambda h: h.update(format_version=version)))
    assert f"expected format version {FORMAT_VERSION}, got {version}; update rvos" in line


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"format_version": 1, "model": {"na', "its header is not JSON"),
        ("[1, 2]", "its header is damaged: expected an object, got list"),
        ('{"format_version": 1}', "its header lacks model, preprocessing, tokenizer, provenance"),
    ],
)
def test_headers_that_are_damaged(altered: Callable[..., Path], text: str, reason: str) -> None:
    path = altered(text=text)
    assert reason in refusal(path) and "copy it again" in refusal(path)
    with pytest.raises(CheckpointError, match=reason):
        read_header(path)


@pytest.mark.parametrize("part", ["model", "preprocessing", "tokenizer", "provenance"])
def test_headers_that_lack_a_part(altered: Callable[..., Path], part: str) -> None:
    assert f"its header lacks {part}; download" in refusal(altered(header=lambda h: h.pop(part) and None))
    assert f"its header lacks {part}; download" in refusal(altered(header=lambda h: h.update({part: 7})))


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("model", {"name": "s3rm"}),
        ("model", {"vision": None}),
        ("model", {"surprise": 1}),
        ("model", {"config": {"chanels": 3}}),
        ("model", {"config": {"channels": "many"}}),
        ("preprocessing", {"size_px": None}),
        ("preprocessing", {"mean": ["a", "b", "c"]}),
        ("preprocessing", {"resize": "stretch"}),
        ("provenance", {"author": "me"}),
        ("provenance", {"words": 5}),
    ],
)
def test_headers_that_describe_nothing(altered: Callable[..., Path], part: str, values: dict[str, Any]) -> None:
    line = refusal(altered(header=lambda h: h[part].update(values)))
    assert "its header describes no model that can be built" in line and "copy it again" in line


def test_headers_with_a_broken_tokenizer(altered: Callable[..., Path], whole: Path) -> None:
    document = json.loads(read_header(whole)["tokenizer"])
    other = json.dumps(document | {"config": {"model_type": "gpt9"}})
    for tokenizer in ("", "{}", other[: len(other) // 2], other):
        assert "describes no model" in refusal(altered(header=lambda h, text=tokenizer: h.update(tokenizer=text)))


def test_good_files_that_begin_like_a_pickle(altered: Callable[..., Path]) -> None:
    """The first bytes are the length of the header: one file in 32 begins with the first byte of a pickle."""
    begun = set()
    for padding in range(0, 256, 8):
        path = altered(header=lambda h, n=padding: h["provenance"].update(data="x" * n))
        begun.add(path.read_bytes()[:1])
        assert read_header(path)["provenance"]["data"] == "x" * padding
    assert b"\x80" in begun


def test_tensors_that_do_not_fit(altered: Callable[..., Path]) -> None:
    def change(state: dict[str, Tensor]) -> None:
        for key in sorted(state)[:5]:
            del state[key]
        state["extra.weight"] = torch.zeros(3)
        state["presence_scale"] = torch.zeros(2, 2)

    line = refusal(altered(tensors=change))
    assert "tensors do not fit its own description: 5 missing (" in line and ", ...)" in line
    assert "1 unexpected (extra.weight)" in line
    assert "1 of another shape (presence_scale (2, 2) not ())" in line


def test_provenance_is_its_own_inverse() -> None:
    assert Provenance.from_dict(json.loads(json.dumps(asdict(PROVENANCE)))) == PROVENANCE
