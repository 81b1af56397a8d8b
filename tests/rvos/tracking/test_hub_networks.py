"""Networks of the hub that carry masks, of random weights in the published format: they carry as transformers has them
carry, and remember no more than they can reach."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

from image_core.hub.loading import Placement
from image_core.hub.sources import find_source
from image_core.state import from_bytes, to_bytes
from rvos.tracking.hub.kinds import PROPAGATORS
from rvos.tracking.hub.memory import FrameMemory, NetworkMemory, Reach
from rvos.tracking.hub.propagator import MaskPropagator, read_propagator
from rvos.types import Frame
from rvos.view.frame_view import View, view_of
from tests.tiny_video_networks import VIDEO_WRITERS

SIZE = (48, 80)
KINDS = ("sam2_video", "edgetam_video", "sam3_video")
MOST = 4


@cache
def network(kind: str) -> MaskPropagator:
    return read_propagator(find_source(str(VIDEO_WRITERS[kind](Path(mkdtemp())))), Placement("cpu"))


def view(index: int) -> View:
    """A frame of a ground that moves by a pixel a frame."""
    ground = np.random.default_rng(0).integers(0, 255, (SIZE[0], 160, 3), dtype=np.uint8)
    return view_of(Frame(index, index / 25, np.ascontiguousarray(ground[:, index : index + SIZE[1]])), None)


def mask(left: int = 20) -> np.ndarray:
    shown = np.zeros(SIZE, bool)
    shown[10:30, left : left + 30] = True
    return shown


def carried_by(carrying: MaskPropagator, frames: int, shown: Mapping[int, np.ndarray]) -> tuple[list[np.ndarray], Any]:
    """The masks on the frames that none was shown on, and what is remembered in the end."""
    memory, masks = None, []
    for index in range(frames):
        if index in shown:
            memory = carrying.shown(view(index), shown[index], MOST, memory)
        elif memory is not None:
            seen = carrying.carried(view(index), memory)
            memory = seen.memory
            masks.append(carrying.mask(seen.logits, SIZE))
    return masks, memory


def carried_by_transformers(
    carrying: MaskPropagator, frames: int, shown: Mapping[int, np.ndarray]
) -> tuple[list[np.ndarray], Any]:
    """The same as transformers documents it for streams, with a session that keeps everything, and the session."""
    model, processor = carrying.network.model, carrying.network.processor
    session, masks = processor.init_video_session(), []
    for index in range(frames):
        pixels = processor.image_processor(images=view(index).frame.image, return_tensors="pt")["pixel_values"]
        if index in shown:
            processor.add_inputs_to_inference_session(session, index, [1], input_masks=shown[index])
        output = model(inference_session=session, frame=pixels[0])
        if index not in shown:
            large = processor.post_process_masks([output.pred_masks], original_sizes=[list(SIZE)])[0]
            masks.append(large[0, 0].numpy())
    return masks, session


@pytest.mark.parametrize("kind", KINDS)
def test_sixty_frames_are_carried_as_by_a_session_that_forgets_nothing(kind: str) -> None:
    carrying, shown = network(kind), {0: mask(), 22: mask(30)}
    own, memory = carried_by(carrying, 60, shown)
    theirs, session = carried_by_transformers(carrying, 60, shown)
    assert len(own) == 58 and min(m.sum() for m in own) > 0 and len({m.tobytes() for m in own}) > 1
    for one, other in zip(own, theirs, strict=True):
        np.testing.assert_array_equal(one, other)
    kept = sum(len(of) for of in session.output_dict_per_obj[0].values())
    assert kept == 60 and len(memory.recent) == carrying.reach.pointers == 15
    assert sum(frame.features is not None for frame in memory.recent) == carrying.reach.features == 6


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_remembered_does_not_grow(kind: str) -> None:
    carrying = network(kind)
    every_fifth = {index: mask(20 + index % 7) for index in range(0, 61, 5)}
    sizes = [len(to_bytes(carried_by(carrying, frames, every_fifth)[1])) for frames in (21, 41, 61)]
    assert max(sizes) - min(sizes) < 200, "digits of frame numbers, as text"


def test_what_is_remembered_comes_back_from_bytes() -> None:
    carrying = network("sam2_video")
    _, memory = carried_by(carrying, 9, {0: mask()})
    again = from_bytes(NetworkMemory, to_bytes(memory))
    one, other = (carrying.carried(view(9), kept) for kept in (memory, again))
    np.testing.assert_array_equal(one.logits, other.logits)
    assert to_bytes(one.memory) == to_bytes(other.memory)


def test_an_image_is_encoded_once_for_all_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    carrying, seen = network("sam2_video"), []
    encode = carrying.network.model.get_image_features
    monkeypatch.setattr(carrying.network.model, "get_image_features", lambda *a, **k: seen.append(1) or encode(*a, **k))
    first = view(0)
    memories = [carrying.shown(first, mask(left), MOST) for left in (5, 20, 40)]
    second = view(1)
    for memory in memories:
        carrying.carried(second, memory)
    assert len(seen) == 2


def test_an_object_is_carried_alike_whatever_else_is_carried() -> None:
    carrying, first, second = network("sam2_video"), view(0), view(1)
    alone = carrying.carried(view(1), carrying.shown(view(0), mask(), MOST))
    carrying.carried(second, carrying.shown(first, mask(5), MOST))
    beside = carrying.carried(second, carrying.shown(first, mask(), MOST))
    np.testing.assert_array_equal(alone.logits, beside.logits)


def test_an_object_that_is_away_has_no_mask_and_no_quality(tmp_path: Path) -> None:
    import torch

    carrying = read_propagator(find_source(str(VIDEO_WRITERS["sam2_video"](tmp_path))), Placement("cpu"))
    torch.nn.init.constant_(carrying.network.model.mask_decoder.pred_obj_score_head.proj_out.bias, -4.0)
    seen = carrying.carried(view(1), carrying.shown(view(0), mask(), MOST))
    assert seen.quality == 0 and not carrying.mask(seen.logits, SIZE).any() and len(seen.memory.recent) == 1


def frame_memory(index: int) -> FrameMemory:
    return FrameMemory(index, np.zeros((1, 1, 2), np.float32), np.zeros((3, 1, 2), np.float32))


def test_of_too_many_anchors_the_first_and_the_latest_stay() -> None:
    reach, memory = Reach(2, 4), NetworkMemory(1, np.zeros((3, 1, 2), np.float32), (frame_memory(0),))
    for index in range(1, 6):
        memory = memory.with_anchor(frame_memory(index), 3, reach)
    assert [frame.index for frame in memory.anchors] == [0, 4, 5] and memory.clock == 6
    assert [
        f.index for f in replace(memory, anchors=(frame_memory(0),)).with_anchor(frame_memory(6), 1, reach).anchors
    ] == [6]


def test_what_is_out_of_reach_is_forgotten_also_over_frames_that_are_skipped() -> None:
    reach, memory = Reach(2, 4), NetworkMemory(1, np.zeros((3, 1, 2), np.float32), (frame_memory(0),))
    for index in range(1, 8):
        memory = memory.with_frame(frame_memory(index), reach)
    assert [(f.index, f.features is not None) for f in memory.recent] == [(4, False), (5, False), (6, True), (7, True)]
    for _ in range(2):
        memory = memory.without_frame(reach)
    assert [(f.index, f.features is not None) for f in memory.recent] == [(6, False), (7, False)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NetworkMemory(0, np.zeros((1, 1, 1), np.float32), ()), "expected a frame that the mask was shown on"),
        (lambda: Reach(0, 4), "expected at least one frame of each"),
    ],
)
def test_what_cannot_be_remembered_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_kinds_are_those_of_transformers() -> None:
    import transformers

    assert {name for pair in PROPAGATORS.values() for name in pair if not hasattr(transformers, name)} == set()
    assert asdict(network("sam3_video").reach) == {"features": 6, "pointers": 15}
