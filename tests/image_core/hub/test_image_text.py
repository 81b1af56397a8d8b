"""Models that are asked about pictures: the laws hold for every kind, on random weights in the published format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from image_core.errors import CheckpointError, ConfigError
from image_core.hub.image_text import ImageTextModel, read_image_text_model
from image_core.hub.loading import Placement
from image_core.hub.sources import find_source
from tests.tiny_chat_networks import CHAT_WRITERS
from tests.tiny_networks import WRITERS

NOISE = np.random.default_rng(0)
PICTURES = [NOISE.integers(0, 255, (*size, 3), np.uint8) for size in ((24, 40), (3, 40), (64, 16))]


@pytest.fixture(scope="module", params=list(CHAT_WRITERS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ImageTextModel:
    folder = CHAT_WRITERS[request.param](tmp_path_factory.mktemp(request.param))
    return read_image_text_model(find_source(str(folder)), Placement("cpu"))


def test_the_same_question_has_the_same_answer_of_no_more_tokens_than_allowed(model: ImageTextModel) -> None:
    answer = model.answer(PICTURES, "Which one?", 12)
    assert answer == model.answer(PICTURES, "Which one?", 12)
    short = model.answer(PICTURES, "Which one?", 5)
    assert len(short) <= 5 and answer.startswith(short.rstrip("\N{REPLACEMENT CHARACTER}")), "a token is a byte here"
    assert "Which one?" not in answer


def test_images_and_words_reach_the_network(model: ImageTextModel) -> None:
    asked: list[dict[str, object]] = []
    generate = model.network.model.generate

    def recording(**inputs: object) -> object:
        asked.append(inputs)
        return generate(**inputs)

    model.network.model.generate = recording
    try:
        model.answer(PICTURES, 'Say {"1": "accept"}', 2)
        model.answer(PICTURES[:1], "Which one?", 2)
    finally:
        model.network.model.generate = generate
    tokenizer = model.network.processor.tokenizer
    words = [tokenizer.decode(inputs["input_ids"][0]) for inputs in asked]  # type: ignore[index]
    assert 'Say {"1": "accept"}<|end|>' in words[0] and words[0].endswith("Assistant:")
    mark = model.network.processor.image_token
    assert words[0].count(mark) > words[1].count(mark) > 0
    assert all(inputs["do_sample"] is False for inputs in asked)


def test_what_is_no_such_model_is_refused_in_one_line(tmp_path: Path) -> None:
    clip = find_source(str(WRITERS["clip"](tmp_path / "clip")))
    with pytest.raises(CheckpointError, match="expected one for AutoModelForImageTextToText, got a 'clip'") as caught:
        read_image_text_model(clip, Placement("cpu"))
    assert "\n" not in str(caught.value)
    folder = CHAT_WRITERS["llava"](tmp_path / "base")
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(CheckpointError, match="got a 'llava' without: use an instruction-tuned model"):
        read_image_text_model(find_source(str(folder)), Placement("cpu"))
    with pytest.raises(ConfigError, match="expected fp32 on the CPU"):
        Placement("cpu", "bf16")


def test_an_error_of_generation_is_one_line(model: ImageTextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**inputs: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate\nmuch")

    monkeypatch.setattr(model.network.model, "generate", full)
    with pytest.raises(CheckpointError, match=r"with 3 images \(CUDA out of memory.*use fewer or sm") as caught:
        model.answer(PICTURES, "Which one?", 2)
    assert "\n" not in str(caught.value)


def test_decoding_is_greedy_whatever_the_model_configures(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = CHAT_WRITERS["llava"](tmp_path)
    plain = read_image_text_model(find_source(str(folder)), Placement("cpu")).answer(PICTURES, "Which one?", 8)
    told = {"do_sample": True, "temperature": 1.5, "top_p": 0.9, "top_k": 3}
    (folder / "generation_config.json").write_text(json.dumps(told))
    drawing = read_image_text_model(find_source(str(folder)), Placement("cpu"))
    capfd.readouterr()
    assert {drawing.answer(PICTURES, "Which one?", 8) for _ in range(3)} == {plain}
    assert not caplog.messages and not capfd.readouterr().err


def test_another_template_is_another_model(tmp_path: Path) -> None:
    folder = CHAT_WRITERS["llava"](tmp_path)
    before = find_source(str(folder)).revision
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'][-1]['text'] }}")
    assert find_source(str(folder)).revision != before
