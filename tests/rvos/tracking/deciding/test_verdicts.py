"""What is asked of a language model, and what of its answers counts."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from rvos.tracking.belief.meaning import Claim
from rvos.tracking.deciding.decision import Decision, QuestionRecord, Verdict
from rvos.tracking.deciding.outlines import COLOURS
from rvos.tracking.deciding.verdicts import question_of_all, question_of_one, read_verdicts

ACCEPT, REJECT, UNSURE = Verdict


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ('{"1": "accept", "2": "reject"}', {1: ACCEPT, 2: REJECT}),
        ('  {"2":"unsure","1":"accept"}\n', {1: ACCEPT, 2: UNSURE}),
        ('```json\n{"1": "reject", "2": "reject"}\n```', {1: REJECT, 2: REJECT}),
        ('```\n{"1": "accept", "2": "accept"}```', {1: ACCEPT, 2: ACCEPT}),
        ('{"2": "accept"}', {1: UNSURE, 2: ACCEPT}),
        ("", None),
        ("{}", None),
        ("[]", None),
        ("null", None),
        ("accept", None),
        ("The red one, 1, is meant.", None),
        ('Sure! {"1": "accept", "2": "reject"}', None),
        ('{"1": "accept", "2": "reject"} That is all.', None),
        ('{"1": "accept", "2": "reject"} {"1": "reject"}', None),
        ('{"1": "accept", "1": "reject", "2": "reject"}', None),
        ('{"1": "accept", "3": "reject"}', None),
        ('{"01": "accept"}', None),
        ('{"1": "yes"}', None),
        ('{"1": "ACCEPT"}', None),
        ('{"1": true}', None),
        ('{"1": ["accept"]}', None),
        ('{"1": {"2": "accept"}}', None),
        ('{"1": "accept", "2": "rej', None),
        ("{'1': 'accept'}", None),
        ("[" * 100_000, None),
        ("\N{REPLACEMENT CHARACTER}\x00", None),
    ],
)
def test_an_answer_is_read_strictly(answer: str, read: dict[int, Verdict] | None) -> None:
    assert read_verdicts(answer, [1, 2]) == read


def test_a_question_names_what_is_outlined_and_the_form_of_the_answer() -> None:
    question = question_of_all('the dog\n that says "wuff"', [1, 3], 4)
    assert "These are 4 pictures of one video, in order." in question
    assert "1 (red), 3 (yellow)" in question and "\"the dog that says 'wuff'\"" in question
    assert '{"1": VERDICT, "3": VERDICT}' in question and "\n" not in question
    own = question_of_one("the dog", 2, 1)
    assert "These are 2 pictures" in own and "number 2 (cyan)" in own and '{"2": VERDICT}' in own


def test_every_number_up_to_twelve_has_a_colour_of_its_own() -> None:
    assert len({name for name, _ in COLOURS}) == len({value for _, value in COLOURS}) == len(COLOURS) == 12


CLAIMS = {1: Claim(0.0, 0.9), 2: Claim(-1.0, 0.4), 5: Claim(-2.0, 0.1)}


def first_of(claims: Mapping[int, Claim]) -> set[int]:
    return set(list(claims)[:1])


@pytest.mark.parametrize(
    ("verdicts", "shown"),
    [
        ({1: REJECT, 2: ACCEPT}, {2}),
        ({1: ACCEPT, 2: ACCEPT, 9: ACCEPT}, {1, 2}),
        ({1: UNSURE, 2: ACCEPT}, {2}),
        ({1: REJECT, 2: REJECT}, set()),
        ({1: UNSURE, 2: UNSURE}, {1}),
        ({1: REJECT, 2: UNSURE}, {2}),
        ({9: ACCEPT}, set()),
    ],
)
def test_what_is_shown_of_a_decision(verdicts: dict[int, Verdict], shown: set[int]) -> None:
    """Those accepted; of none accepted, what the evidence says of those that are open; of all rejected, nothing."""
    assert Decision(verdicts).shown(CLAIMS, first_of) == shown


def test_a_decision_records_all_questions() -> None:
    asked = (
        QuestionRecord((3, 9), {1: 4}, "Is it?", "no", None),
        QuestionRecord((3, 9), {1: 4}, "Is it?", "{}", {1: UNSURE}),
    )
    told = Decision({4: UNSURE, 7: REJECT}, {4: 0.25}, asked).document()
    assert json.loads(json.dumps(told)) == {
        "tracks": {"4": "unsure", "7": "reject"},
        "left_to": "rules",
        "scores": {"4": 0.25},
        "questions": [
            {"frames": [3, 9], "numbers": {"1": 4}, "question": "Is it?", "answer": "no", "verdicts": None},
            {"frames": [3, 9], "numbers": {"1": 4}, "question": "Is it?", "answer": "{}", "verdicts": {"1": "unsure"}},
        ],
    }
