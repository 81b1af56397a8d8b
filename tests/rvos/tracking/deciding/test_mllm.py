"""A language model that decides among tracks: what it is asked, how often, and what comes of each kind of answer."""

from __future__ import annotations

import numpy as np
import pytest

from image_core.errors import ConfigError
from image_core.state import from_bytes, to_bytes
from rvos.tracking.deciding.album import Album, AlbumConfig, Page, Pick, Shelf
from rvos.tracking.deciding.decision import Decision
from rvos.tracking.deciding.mllm import Mllm, MllmConfig, pages_of_all
from rvos.tracking.tracks import TracksConfig, TracksTracker
from rvos.watch.session import StreamSession
from tests.rvos.tracking.deciding.film import EXPRESSION, Scripted, film, results, session

GARBAGE, SILENT = "I think it is the one on the left.", ""
UNSURE = '{"1": "unsure", "2": "unsure"}'


def asking(*script: str, **numbers: int) -> tuple[Mllm, Scripted]:
    model = Scripted(script)
    return Mllm(MllmConfig("model", **numbers), AlbumConfig(), lambda: model, dict), model


def decision_of(begun: StreamSession) -> dict[str, object]:
    (told,) = begun.decision_document()
    assert told is not None
    return told


@pytest.mark.parametrize("lookahead", [0, 3])
def test_what_is_accepted_is_shown_and_nothing_else(lookahead: int) -> None:
    """The image model holds the blue ball for likelier; the decider knows better."""
    for script, truth in (('{"1": "reject", "2": "accept"}', film().red), ('{"1": "accept"}', film().blue)):
        begun = session(asking(script, '{"2": "reject"}')[0], lookahead)
        shown = results(begun)
        np.testing.assert_array_equal(np.stack([result.mask for result in shown]), truth)
        assert all(len(result.track_masks) == 1 and result.presence == 1 for result in shown)
    both = results(session(asking('{"1": "accept", "2": "accept"}')[0], lookahead))
    assert all((r.mask == film().red[t] | film().blue[t]).all() for t, r in enumerate(both))


@pytest.mark.parametrize("lookahead", [0, 3])
def test_who_rejects_all_shows_nothing(lookahead: int) -> None:
    begun = session(asking('{"1": "reject", "2": "reject"}')[0], lookahead)
    assert all(not result.mask.any() and result.presence == 0 and not result.track_masks for result in results(begun))


@pytest.mark.parametrize("script", [[GARBAGE], [SILENT], [UNSURE, '{"1": "unsure"}', '{"2": "unsure"}']])
@pytest.mark.parametrize("lookahead", [0, 3])
def test_an_open_decision_leaves_it_to_the_rules(
    script: list[str], lookahead: int, caplog: pytest.LogCaptureFixture
) -> None:
    """To the bit, and this is said."""
    begun = session(asking(*script)[0], lookahead)
    assert caplog.messages == [f"'{EXPRESSION}': the model accepts no track and is unsure of some; the rules decide"]
    told, ours, theirs = decision_of(begun), results(begun), results(session(None, lookahead))
    assert told["left_to"] == "rules" and told["tracks"] == {"1": "unsure", "2": "unsure"}
    for one, other in zip(ours, theirs, strict=True):
        assert (one.mask == other.mask).all() and (one.presence, one.score) == (other.presence, other.score)
        assert one.track_masks.keys() == other.track_masks.keys()


def test_of_those_that_are_left_open_the_rejected_are_out() -> None:
    begun = session(asking('{"1": "reject", "2": "unsure"}', '{"2": "unsure"}')[0])
    assert decision_of(begun)["tracks"] == {"1": "reject", "2": "unsure"}
    np.testing.assert_array_equal(np.stack([result.mask for result in results(begun)]), film().red)


def test_an_invalid_answer_is_requested_once_more() -> None:
    decider, model = asking(GARBAGE, '{"1": "reject", "2": "accept"}')
    told = decision_of(session(decider))
    assert len(model.questions) == 2 and model.questions[1].startswith(model.questions[0])
    assert "alone" in model.questions[1][len(model.questions[0]) :]
    asked = told["questions"]
    assert isinstance(asked, list) and [one["verdicts"] for one in asked] == [None, {"1": "reject", "2": "accept"}]
    assert [one["answer"] for one in asked] == [GARBAGE, '{"1": "reject", "2": "accept"}']
    decider, model = asking(GARBAGE)
    session(decider)
    assert len(model.questions) == 2 * 3, "about all of them, and about each alone, twice"


@pytest.mark.parametrize("most", [1, 2, 3, 4, 5])
def test_the_number_of_questions_is_limited(most: int) -> None:
    for script in (GARBAGE, UNSURE):
        decider, model = asking(script, questions=most)
        assert decision_of(session(decider))["left_to"] == "rules" and len(model.questions) <= most
    assert len(model.questions) == min(most, 5), "UNSURE of two tracks is no answer to a question about one"


def test_unsure_tracks_get_a_question_with_frames_and_close_ups_of_their_own() -> None:
    decider, model = asking('{"1": "unsure", "2": "reject"}', '{"1": "accept"}', frames=3, own_frames=2)
    begun = session(decider)
    first, second = decision_of(begun)["questions"]  # type: ignore[misc]
    assert f'"{EXPRESSION}"' in first["question"] and f'"{EXPRESSION}"' in second["question"]
    assert len(model.pictures[0]) == len(first["frames"]) == 3 and first["numbers"] == {"1": 1, "2": 2}
    assert len(model.pictures[1]) == 4 and len(second["frames"]) == 2 and second["numbers"] == {"1": 1}
    assert first["frames"] == sorted(first["frames"])
    whole, near = model.pictures[1][:2]
    assert whole.shape[0] == 360 and min(near.shape[:2]) == 360
    assert results(begun)[0].present


def test_the_album_and_the_decision_are_part_of_what_is_remembered() -> None:
    decider, model = asking('{"1": "reject", "2": "accept"}')
    tracker = TracksTracker(TracksConfig(both_ways=True), decider)
    begun, frames = session(decider), film().frames
    restored = session(decider)
    restored.restore(begun.snapshot())
    assert restored.decision_document() == begun.decision_document() and len(model.questions) == 2
    state = begun._tracks[0]
    assert state.album is None and isinstance(state.decision, Decision)
    assert from_bytes(type(state), to_bytes(state)).decision == state.decision
    assert tracker.decision_document(state) == begun.decision_document()[0]
    assert (begun.step(frames[0])[0].mask == restored.step(frames[0])[0].mask).all()


def test_a_video_without_tracks_has_no_questions() -> None:
    decider, model = asking(GARBAGE)
    assert decider.decide(EXPRESSION, Album()) is None and not model.questions


def test_a_decider_needs_both_ways() -> None:
    with pytest.raises(ConfigError, match=r"tracker.both_ways: expected true with Mllm.*set tracker.both_ways=true"):
        TracksTracker(TracksConfig(), asking(GARBAGE)[0])


def page(index: int, *tracks: int) -> Page:
    return Page(index, b"", (4, 4), dict.fromkeys(tracks, ""))


def test_the_pages_that_are_shown_first_have_as_many_tracks_as_can_be_and_lie_apart() -> None:
    pages = {p.frame_index: p for p in (page(0, 1), page(10, 1, 2), page(20, 1, 2), page(90, 3), page(100, 1))}
    shelves = {i: Shelf(0, 1, (Pick(0, 0, 1.0),), 5) for i in (1, 2, 3)}
    album = Album(shelves, pages)
    assert [p.frame_index for p in pages_of_all(album, 1)] == [10]
    assert [p.frame_index for p in pages_of_all(album, 2)] == [10, 90]
    assert [p.frame_index for p in pages_of_all(album, 3)] == [10, 20, 90], "0, 20 and 100 are as far; 20 shows more"
    assert [p.frame_index for p in pages_of_all(album, 9)] == [0, 10, 20, 90, 100]
