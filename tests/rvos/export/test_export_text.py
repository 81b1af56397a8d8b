"""Text: any script is drawn, lines keep their width, what is cut says so."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from rvos.export.text import line_height, render_line, text_width, wrap

LONG = "the small brown dog on the left of the second red car that waits behind the tree"


@pytest.mark.parametrize(
    "text", ["the dog", "собака", "σκύλος", "كلب", "כלב", "左边的狗", "犬と猫", "개", "Zürich 100 %"]
)
def test_every_script_is_drawn_without_question_marks(text: str) -> None:
    coverage = render_line(text, 20)
    assert coverage.shape[0] == line_height(20)
    assert coverage.max() == 255
    marks = render_line("?" * len(text), 20)
    assert coverage.shape != marks.shape or not np.array_equal(coverage, marks)
    letters = [render_line(letter, 20) for letter in dict.fromkeys(text) if not letter.isspace()]
    assert len({(letter.shape, letter.tobytes()) for letter in letters}) == len(letters), "letters drawn alike"


def test_missing_characters_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        first, second = render_line("ꡀꡁ", 20), render_line("ꡀꡁ", 22)
    assert first.max() > 0 and second.max() > 0
    assert len(caplog.records) == 1
    assert "ꡀꡁ" in caplog.records[0].getMessage()


def test_a_control_character_is_logged_by_its_code_point(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        render_line("a\x1b[31mb", 20)
    (record,) = caplog.records
    assert "the characters U+001B:" in record.getMessage() and "\x1b" not in record.getMessage()


@pytest.mark.parametrize("width", [30, 60, 100, 200, 400, 2000])
@pytest.mark.parametrize("max_lines", [1, 2, 3, 50])
@pytest.mark.parametrize("text", [LONG, "x" * 80, "左边的狗" * 12])
def test_wrapped_lines_fit_and_cropped_text_is_marked(text: str, width: int, max_lines: int) -> None:
    lines = wrap(text, 12, width, max_lines)
    assert 1 <= len(lines) <= max_lines
    assert all(text_width(line, 12) <= width for line in lines)
    joined = "".join(lines).replace(" ", "")
    if joined.endswith("…"):
        assert text.replace(" ", "").startswith(joined[:-1])
        assert len(lines) == max_lines
    else:
        assert joined == text.replace(" ", "")


def test_words_are_kept_whole_where_they_fit() -> None:
    assert wrap("one two three", 12, text_width("one two", 12), 3) == ["one two", "three"]


def test_breaks_and_tabs_become_spaces() -> None:
    assert wrap("  the\n\tdog ", 12, 500, 2) == ["the dog"]
