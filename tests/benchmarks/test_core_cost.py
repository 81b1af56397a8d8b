"""What a core costs is compared with the same network in another form: the masks must be the same."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import pytest
import torch

from benchmarks.harness.operations import operations
from benchmarks.speed import core_cost, seqtr_plain
from image_core.layers.sequence_decoder import CoordinateDecoder
from image_core.layers.transformer import Memory
from image_core.models.contour import ContourModel
from image_core.models.seqtr import SeqTR

TINY = core_cost.Size("darknet53", "gru", 64, 5, {"channels": 32, "heads": 4, "hidden": 64, "points": 6, "bins": 50})


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> SeqTR:
    monkeypatch.setitem(core_cost.SIZES, "seqtr", TINY)
    return cast(SeqTR, core_cost.build("seqtr"))


def test_both_forms_of_seqtr_draw_the_same(tiny: SeqTR) -> None:
    steps = core_cost.steps_of(tiny, TINY)
    with torch.inference_mode():
        _, ours = core_cost.timed(steps)
        with core_cost.published_form("seqtr"):
            _, published = core_cost.timed(steps)
    assert (ours > 0).any() and (ours < 0).any(), "a contour that encloses something"
    torch.testing.assert_close(ours, published)


def test_the_published_form_runs_the_whole_prefix_again(tiny: SeqTR) -> None:
    with torch.device("meta"):
        shape = core_cost.build("seqtr")
    ours = operations(shape, TINY.side_px, 1, TINY.words)
    with core_cost.published_form("seqtr"):
        published = operations(shape, TINY.side_px, 1, TINY.words)
    assert published > ours
    again = _read_tokens(tiny.decoder)
    assert again == list(range(tiny.decoder.steps)), "every step reads all tokens before it"
    assert operations(shape, TINY.side_px, 1, TINY.words) == ours, "and afterwards it is ours again"


def _read_tokens(decoder: CoordinateDecoder) -> list[int]:
    """Of each step of the published form, how many tokens are run through the decoder."""
    counts, forward = [], decoder.forward

    def counted(memory: Memory, tokens: torch.Tensor) -> torch.Tensor:
        counts.append(tokens.shape[1])
        return forward(memory, tokens)

    memory = Memory(torch.randn(2, 9, 32), torch.randn(2, 9, 32), torch.zeros(2, 9, dtype=torch.bool))
    with patch.object(decoder, "forward", counted), torch.inference_mode():
        plain = seqtr_plain.from_the_prefix(decoder, memory)
    kept = decoder.generate(memory)
    assert torch.equal(plain.tokens, kept.tokens)
    torch.testing.assert_close(plain.logits, kept.logits, rtol=1e-4, atol=1e-4)
    return counts


def test_seqtr_has_the_size_of_its_published_figures() -> None:
    """12 points and 640 px; 107.3 M weights there, of which the word vectors are another vocabulary's."""
    with torch.device("meta"):
        model = core_cost.build("seqtr")
    size = core_cost.size_of("seqtr")
    assert isinstance(model, ContourModel) and model.decoder.steps == 25 and (size.side_px, size.words) == (640, 15)
    with core_cost.published_form("seqtr"):
        gflop = operations(model, size.side_px, 1, size.words)
    assert gflop == pytest.approx(core_cost.PUBLISHED["seqtr"]["gflop"], rel=0.01)


@pytest.mark.parametrize("given", [(), ("seqtr",)])
def test_the_table_has_a_row_for_each_core_that_was_run(
    given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With and without SeqTR, for which no aim was set."""
    monkeypatch.setattr(sys, "path", [str(Path(core_cost.__file__).parents[2] / "tools"), *sys.path])
    cores = importlib.import_module("results_of_cores")
    cost = {"parameters_m": 1.0, "gflop": 2.0, "cpu_s": {"all": 3.0}, "peak_mb": 4}
    both = cost | {"cpu_s_published_form": {"all": 6.0}, "ratio": 0.5}
    rows: dict[str, Any] = {"haris": cost}
    rows |= {name: both | {"published": core_cost.PUBLISHED[name]} for name in ("lavt", *given)}
    with patch.object(cores, "read", lambda _: {"models": rows}):
        shown = cores.core_cost()
    assert "| lavt | 1.0 | 2.0 | 227.7, 398.0 | 3.00 | 6.00 | 0.50 (0.70) | 4 |" in shown
    assert ("| seqtr | 1.0 | 2.0 | 107.3, 174.5 | 3.00 | 6.00 | 0.50 | 4 |" in shown) == bool(given)
