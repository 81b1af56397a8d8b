"""A model as an ONNX file: onnxruntime answers what torch does, and what the file cannot hold is refused."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from image_core import onnx_file
from image_core.checkpoint import LoadedModel, Provenance
from image_core.errors import CheckpointError, ConfigError
from image_core.models.description import ModelConfig
from image_core.models.s2rm import S2RM
from image_core.models.table import build_model
from image_core.onnx_file import TOLERANCE, OnnxFile, OnnxGraph, write_onnx
from image_core.preprocessing import Preprocessing
from image_core.segmenter import ImageSegmenter

MakeSpec = Callable[..., ModelConfig]


def loaded(spec: ModelConfig, resize: Any = "keep_ratio") -> LoadedModel:
    torch.manual_seed(0)
    preprocessing = Preprocessing(64, resize, 32, mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))
    return LoadedModel(build_model(spec).eval(), spec, preprocessing, Provenance(data="noise"))


@pytest.mark.parametrize("resize", ["keep_ratio", "squash"])
def test_the_graph_answers_as_the_segmenter_does(resize: str, tiny_spec: MakeSpec) -> None:
    """The picture at the network's size, without padding, and tokens: what is traced is what runs everywhere else."""
    model = loaded(tiny_spec(), resize)
    size = model.preprocessing.content_size(45, 80)
    image = np.random.default_rng(1).integers(0, 256, (*size, 3), dtype=np.uint8)
    expressions = ["the red circle", "it"]
    assert isinstance(model.model, S2RM)
    tokens = model.model.text.tokenize(expressions)
    graph = OnnxGraph(model.model, model.preprocessing, size)
    with torch.inference_mode():
        given = torch.from_numpy(image), tokens.input_ids, (~tokens.word_pad_mask).long()
        logits, presence, score = (tensor.numpy() for tensor in graph(*given))
    answers = ImageSegmenter(model.model, model.preprocessing).segment(image, expressions)
    for i, answer in enumerate(answers):
        assert answer.map is not None
        np.testing.assert_allclose(logits[i], answer.map.log_odds, atol=1e-5)
        np.testing.assert_allclose([presence[i], score[i]], [answer.presence, answer.score], atol=1e-6)


@pytest.fixture(scope="module")
def written(tiny_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> tuple[LoadedModel, OnnxFile]:
    """A small model, and its file. Tracing takes tens of seconds: once for all tests."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (extra onnx)")
    model = loaded(tiny_spec(update="side_by_side", presence_head=True))
    return model, write_onnx(model, tmp_path_factory.mktemp("onnx") / "s2rm_tiny.onnx", (90, 160))


def test_onnxruntime_answers_as_torch_does(written: tuple[LoadedModel, OnnxFile]) -> None:
    import onnxruntime

    model, file = written
    assert file.size == (36, 64) and file.difference <= TOLERANCE
    assert [path.name for path in file.path.parent.iterdir()] == [file.path.name]
    session: Any = onnxruntime.InferenceSession(file.path, providers=["CPUExecutionProvider"])
    told = session.get_modelmeta().custom_metadata_map
    assert (told["size"], told["kind"], json.loads(told["provenance"])["data"]) == ("36x64", "s2rm", "noise")
    tokenizer = Tokenizer.from_str(told["tokenizer"])
    image = np.random.default_rng(2).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    for expressions in (["the dog"], ["the dog", "it", "the red thing on the left of the other", "a b c", "d"]):
        rows = tokenizer.encode_batch(expressions)
        ids, mask = (np.array([getattr(row, key) for row in rows], np.int64) for key in ("ids", "attention_mask"))
        logits, presence, score = session.run(None, {"image": image, "input_ids": ids, "attention_mask": mask})
        answers = ImageSegmenter(model.model, model.preprocessing).segment(image, expressions)
        for i, answer in enumerate(answers):
            assert answer.map is not None
            np.testing.assert_allclose(logits[i], answer.map.log_odds, atol=TOLERANCE)
            np.testing.assert_allclose([presence[i], score[i]], [answer.presence, answer.score], atol=TOLERANCE)


def test_the_documentation_explains_how_to_run_it(
    written: tuple[LoadedModel, OnnxFile], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
    monkeypatch.chdir(written[1].path.parent)
    (code,) = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    exec(code, {})
    assert len(re.findall(r"presence [01]\.\d\d, \d+ pixels", capsys.readouterr().out)) == 2


def test_one_line_names_the_extra_to_install(
    tiny_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"expected the extra onnx, got none .*: pip install 'rvos\[onnx\]'"):
        write_onnx(loaded(tiny_spec()), tmp_path / "model.onnx", (64, 64))
    assert not list(tmp_path.iterdir())


def test_other_kinds_are_refused(tiny_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "_check_extra", lambda: None)
    with pytest.raises(ConfigError, match="expected a model of kind s2rm, got seqtr"):
        write_onnx(loaded(tiny_spec("seqtr")), tmp_path / "model.onnx", (64, 64))


def test_a_file_that_answers_otherwise_is_not_left(
    tiny_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A runtime that is off by a thousandth."""
    runtime = pytest.importorskip("onnxruntime")

    class Off:
        def __init__(self, path: Path, providers: list[str]) -> None:
            assert path.read_bytes() == b"written"

        def run(self, names: None, given: dict[str, np.ndarray]) -> list[np.ndarray]:
            with torch.inference_mode():
                return [each.numpy() + 1e-3 for each in graphs[0](*map(torch.from_numpy, given.values()))]

    graphs: list[OnnxGraph] = []
    monkeypatch.setattr(onnx_file, "_check_extra", lambda: None)
    monkeypatch.setattr(onnx_file, "_bytes_of", lambda graph, *_: graphs.append(graph) or b"written")
    monkeypatch.setattr(runtime, "InferenceSession", Off)
    with pytest.raises(CheckpointError, match=r"to give what torch gives to 0\.0001, got 0\.001"):
        write_onnx(loaded(tiny_spec()), tmp_path / "model.onnx", (64, 64))
    assert not list(tmp_path.iterdir())
