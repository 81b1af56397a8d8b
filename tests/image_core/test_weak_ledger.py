"""The ledger: nothing is lost on the way to disk and back, and a torn line is no line."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from image_core.errors import DamagedError
from image_core.geometry.rle import decode_rle, encode_rle
from image_core.weak.ledger import Ledger, PseudoLabel, count

MASK = np.arange(20).reshape(4, 5) % 3 == 0
ACCEPTED = PseudoLabel(
    1, 0, "s0", "accepted", "", "s0_0", "the café\nred", 0.5, 0.75, (1.0, 2.0, 3.5, 4.0), 0.875, encode_rle(MASK)
)
REJECTED = PseudoLabel(1, 0, "s0", "rejected", "empty", "s0_1", "the dog", 0.25, 0.125, None, None, encode_rle(MASK))
FAILED = PseudoLabel(1, 3, "", "failed", "pictures/3.jpg: no such picture")
LATER = PseudoLabel(2, 0, "s0", "rejected", "outside the box", "s0_0", "the dog", 0.25, 0.5, None, 0.5, None)
LABELS = [ACCEPTED, REJECTED, FAILED, LATER]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    ledger.append(LABELS[:2])
    ledger.append(LABELS[2:])
    return ledger


def test_what_is_written_is_read(ledger: Ledger) -> None:
    again = Ledger(ledger.path)
    assert list(again.labels(1)) == LABELS[:3] and list(again.labels(2)) == [LATER] and not list(again.labels(3))
    label = next(again.labels(1))
    assert label.mask is not None and (decode_rle(label.mask) == MASK).all()


def test_a_line_names_all_its_values(ledger: Ledger) -> None:
    lines = [json.loads(line) for line in ledger.path.read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["accepted", "rejected", "failed", "rejected"]
    assert lines[0]["sentence"] == "the café\nred" and lines[0]["mask"]["size"] == [4, 5]
    assert {line["score"] for line in lines if line["verdict"] == "failed"} == {None}


def test_a_torn_last_line_is_cut(ledger: Ledger) -> None:
    whole = ledger.path.read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(whole) if byte == 10)]
    for length in range(len(whole) + 1):
        ledger.path.write_bytes(whole[:length])
        lines = [label for round in (1, 2) for label in Ledger(ledger.path).labels(round)]
        kept = sum(start <= length for start in starts) - 1
        assert lines == LABELS[:kept]
        assert ledger.path.read_bytes() == whole[: starts[kept]]


def test_the_position_of_a_round_in_the_ledger(ledger: Ledger) -> None:
    assert (ledger.written(2), ledger.written(3)) == ((0, 1), (-1, 0))
    assert ledger.written(1) == (4, 0)  # a picture that failed is done with


@pytest.mark.parametrize(
    "line",
    [
        b'{"round": 1, "index"',
        b"\xff\xfe",
        b"[1]",
        b'{"round": 1}',
        json.dumps({**asdict(ACCEPTED), "colour": "red"}).encode(),
        json.dumps({**asdict(ACCEPTED), "verdict": "perhaps"}).encode(),
        json.dumps({**asdict(ACCEPTED), "index": "0"}).encode(),
        json.dumps({**asdict(ACCEPTED), "box": 5}).encode(),
    ],
)
def test_a_damaged_line_is_named(ledger: Ledger, line: bytes) -> None:
    lines = ledger.path.read_bytes().splitlines()
    ledger.path.write_bytes(b"".join(part + b"\n" for part in (lines[0], line, *lines[1:])))
    with pytest.raises(DamagedError, match=r"ledger.jsonl, line 2: cannot be read") as caught:
        list(Ledger(ledger.path).labels(1))
    assert "\n" not in str(caught.value)


def test_counts(ledger: Ledger) -> None:
    assert count(ledger.labels(1)) == {"pictures": 2, "accepted": 1, "rejected": {"empty": 1}, "failed": 1}
    assert count(ledger.labels(3)) == {"pictures": 0, "accepted": 0, "rejected": {}, "failed": 0}
