"""Scorers: CLIP in its real file format, and the small image-text pair with its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from image_core.errors import CheckpointError, ConfigError, OutputError, RvosError
from image_core.weak.scorers.clip import ClipScorer
from image_core.weak.scorers.pair import ImageTextPair, PairConfig, PairScorer, load_pair, save_pair
from image_core.weak.scorers.pair_training import (
    ImagePool,
    PairTrainingConfig,
    contrastive_loss,
    cut,
    make_batch,
    may_fit,
    of_bags,
    texts_of,
    train_pair,
)
from image_core.weak.scorers.scorer import build_scorer
from image_core.weak.sparc import Sparc
from tests.tiny_networks import WRITERS, write_clip

SMALL = PairConfig(size_px=64, width=16, text_width=16, max_words=24)
BRIEF = PairTrainingConfig(
    steps=4, pool=12, pictures=4, decoys=2, showings=3, texts=2, window_px=48, save_every=2, warm_up=1, pair=SMALL
)
TEXTS = ["a photo of the red circle", "a photo of the blue square", "a photo of the dog"]


def pictures(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (20 + 7 * i, 3 + 11 * i, 3), np.uint8) for i in range(count)]


def test_clip_logits_are_those_of_the_model_and_add_up(tmp_path: Path) -> None:
    one, two = str(write_clip(tmp_path / "one", 1)), str(write_clip(tmp_path / "two", 2))
    images = pictures(5)
    first, second = build_scorer(one, device="cpu"), ClipScorer([two], device="cpu", batch=2)
    scores = first.scores(images, TEXTS)
    assert scores.shape == (5, 3) and scores.dtype == np.float64 and np.ptp(scores) > 1e-3
    both = build_scorer(f"{one}, {two}", device="cpu")
    np.testing.assert_allclose(both.scores(images, TEXTS), scores + second.scores(images, TEXTS), atol=1e-4)
    # A text's logits do not depend on what stands beside it.
    assert (first.scores(images, TEXTS[1:2]) == scores[:, 1:2]).all()
    alone = ClipScorer([one], device="cpu", batch=1)
    assert (alone.scores(images[2:3], TEXTS) == alone.scores(images, TEXTS)[2:3]).all()


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2"])
def test_scores_are_the_logits_of_the_network(kind: str, tmp_path: Path) -> None:
    """Asked as its authors do; SigLIP with texts of one length."""
    from transformers import AutoModel, AutoProcessor

    folder = WRITERS[kind](tmp_path)
    images = pictures(3)[1:]
    processor: Any = AutoProcessor.from_pretrained(folder)
    padding = True if kind == "clip" else "max_length"
    sizes = {"patch_size": 8, "max_num_patches": 16} if kind == "siglip2" else {}
    inputs = processor(text=TEXTS, images=images, padding=padding, max_length=40, return_tensors="pt", **sizes)
    with torch.inference_mode():
        wanted = AutoModel.from_pretrained(folder)(**inputs).logits_per_image.numpy()
    np.testing.assert_allclose(build_scorer(str(folder), device="cpu").scores(images, TEXTS), wanted, atol=1e-3)


def test_clip_faults_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError):
        ClipScorer([])
    for name, fix in ((str(tmp_path), "complete the folder"), ("someone/no-such-clip", "connect to the network")):
        with pytest.raises(RvosError, match=fix) as caught:
            build_scorer(name, device="cpu")
        assert "\n" not in str(caught.value)
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(RvosError, match="expected a model of type clip, siglip, siglip2, got 'bert'"):
        build_scorer(str(tmp_path), device="cpu")


def test_a_pair_comes_back_from_its_file_and_serves_sparc(tmp_path: Path) -> None:
    torch.manual_seed(0)
    pair = ImageTextPair(SMALL).eval()
    path = tmp_path / "pair.safetensors"
    save_pair(path, pair, {"step": 3})
    again, provenance = load_pair(path)
    assert provenance == {"step": 3} and again.config == SMALL
    images = pictures(70)
    scores = PairScorer(pair).scores(images, TEXTS)
    assert scores.shape == (70, 3) and np.ptp(scores) > 1e-3
    np.testing.assert_allclose(build_scorer(str(path), device="cpu").scores(images, TEXTS), scores, atol=1e-5)
    boxes = np.array([[2, 2, 20, 20], [30, 30, 50, 60]], float)
    located = Sparc(PairScorer(again)).locate(np.zeros((64, 64, 3), np.uint8), boxes, ["the left circle"])[0]
    assert located.index == 0


def test_a_file_that_is_no_pair(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(CheckpointError, match="not there"):
        build_scorer(str(tmp_path / "none.safetensors"))
    (tmp_path / "bad.safetensors").write_bytes(b"not at all")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    for name in ("bad", "other"):
        with pytest.raises(CheckpointError, match="train_image_text_pair") as caught:
            load_pair(tmp_path / f"{name}.safetensors")
        assert "\n" not in str(caught.value)


def test_one_sharp_cell_decides_the_fit() -> None:
    pair = ImageTextPair(SMALL)
    text = torch.nn.functional.normalize(torch.randn(1, 16), dim=-1)
    away = -text.expand(36, 16).clone()
    with_one = away.clone()
    with_one[7] = text[0]
    logits = pair.fit(torch.stack([away, with_one, text.expand(36, 16)]), text)[:, 0].detach()
    scale = pair.log_scale.exp().item()
    assert logits[0] == pytest.approx(-scale, abs=1e-3)
    assert logits[1] == pytest.approx(scale - np.log(36), abs=1e-3)
    assert logits[2] == pytest.approx(scale, abs=1e-3)


def test_texts_are_expressions_and_their_phrases() -> None:
    assert texts_of(["The red circle left of the blue square"]) == [
        "red circle",
        "blue square",
        "the red circle left of the blue square",
    ]


def test_texts_that_fit_another_image_are_no_negatives() -> None:
    said = [["red circle"], ["the big circle", "blue square"]]
    asked = ["red circle", "circle", "the circle", "blue circle"]
    assert may_fit(said, asked).tolist() == [[True, True, True, False], [False, True, True, False]]


def test_bags_are_soft_maxima() -> None:
    logits = torch.tensor([[1.0], [9.0], [3.0]])
    found = of_bags(logits, torch.tensor([0, 0, 1]), 2)[:, 0]
    assert found[0] == pytest.approx(np.log(np.exp(1) + np.exp(9)), abs=1e-5) and found[1] == pytest.approx(3, abs=1e-5)


def test_loss_is_small_for_the_right_answers_and_blind_to_what_is_left_out() -> None:
    own = torch.arange(4)[None] // 2 == torch.arange(3)[:, None]
    nothing = torch.zeros(3, 4, dtype=torch.bool)
    right = torch.where(own, 20.0, -20.0)
    assert contrastive_loss(right, nothing, 2) < 1e-6 < contrastive_loss(-right, nothing, 2)
    spoiled = right.clone()
    spoiled[2, 0] = 50  # a decoy takes a text
    assert contrastive_loss(spoiled, nothing, 2) > 1
    left_out = nothing.clone()
    left_out[2, 0] = True
    assert contrastive_loss(spoiled, left_out, 2) < 1e-6


def test_a_batch_is_a_function_of_its_step() -> None:
    pool = ImagePool(BRIEF)
    batch, same, other = (make_batch(pool, BRIEF, step) for step in (1, 1, 2))
    assert (batch.windows == same.windows).all() and batch.texts == same.texts
    assert batch.texts != other.texts
    assert batch.windows.shape[1:] == (48, 48, 3) and len(batch.texts) == 8
    assert set(batch.bags.tolist()) == set(range(6)) and batch.left_out.shape == (6, 8)
    assert not batch.left_out[np.arange(8) // 2, np.arange(8)].any()


def test_windows_stay_in_the_image() -> None:
    picture = np.arange(64 * 64 * 3, dtype=np.uint32).reshape(64, 64, 3)
    assert (cut(picture, np.array([60.0, 0, 64, 4]), 48) == picture[:48, 16:]).all()
    assert (cut(picture, np.array([30.0, 30, 36, 36]), 48) == picture[9:57, 9:57]).all()


def test_training_resumes_to_the_same_weights_and_refuses_other_settings(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    whole, _ = load_pair(train_pair(BRIEF, tmp_path / "whole"))

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    from image_core.weak.scorers import pair_training

    with pytest.MonkeyPatch.context() as patch:
        written = pair_training._save
        patch.setattr(pair_training, "_save", lambda *given: (written(*given), killed()))
        with pytest.raises(KeyboardInterrupt):
            train_pair(BRIEF, tmp_path / "parts")
    assert load_pair(tmp_path / "parts" / "pair.safetensors")[1]["step"] == 2
    parts, provenance = load_pair(train_pair(BRIEF, tmp_path / "parts"))
    assert provenance["step"] == 4
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[key], value, rtol=1e-5, atol=1e-6)
    with pytest.raises(OutputError, match=r"another run \(different: seed\)"):
        train_pair(replace(BRIEF, seed=1), tmp_path / "parts")


def test_training_lowers_the_loss() -> None:
    torch.manual_seed(0)
    batch = make_batch(ImagePool(BRIEF), BRIEF, 0)
    from image_core.weak.scorers.pair_training import _update

    pair = ImageTextPair(SMALL).train()
    optimiser = torch.optim.AdamW(pair.parameters(), 3e-3)
    losses = [_update(pair, optimiser, batch, BRIEF) for _ in range(25)]
    assert np.mean(losses[-3:]) < 0.6 * losses[0]
