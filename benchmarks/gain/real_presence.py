"""Whether masks are shown exactly on frames with the target: real videos, labelled by hand.

python -m benchmarks.gain.real_presence [--model NAME]

bikes.mp4 is downloaded with `rvos models fetch demo`; two more videos are in clips/real of RVOS_SHARED, and are left
out without it. The labels below say on which frames a target is visible and on which it is not; frames in between
(partly hidden, a trouser leg) count for neither. The model answers every fourth frame; then the tracker decides on all
frames. The presence of trackers was chosen with these figures: they tell how well it fits.

The result is real_presence.json: T-acc and N-acc of the masks shown, and the threshold for each wanted T-acc. With
--levels these are written to the table that `tracker.wanted_t_acc` reads (rvos/tracking/belief/presence_levels.json).
Some minutes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.command import Benchmark
from benchmarks.harness.machine import SHARED
from benchmarks.harness.processes import one_thread
from benchmarks.harness.recorded import RecordedReader
from image_core.mask_model import MaskModel, ask, describe, resolve_model
from image_core.weights.cache import weights_of
from rvos.parts import tracker_config
from rvos.reading.key_frames import KeyFrames
from rvos.tracking import TRACKERS
from rvos.tracking.belief.presence_levels import write_levels
from rvos.video.reader import open_video
from rvos.watch.session import StreamSession
from rvos.watch.stream import process

BENCHMARK = Benchmark(__file__, __doc__)
EVERY = 4
WANTED = (0.8, 0.85, 0.9, 0.925, 0.95, 0.975, 0.99, 1.0)
Runs = tuple[tuple[int, int], ...]
"""(first, last) frames, both included."""
ALL: Runs = ((0, 10_000),)


@dataclass(frozen=True)
class Labels:
    """The frames on which the target of an expression is visible, and those on which it is not."""

    expression: str
    there: Runs = ()
    away: Runs = ()

    def of(self, frame_index: int) -> bool | None:
        """Whether the target is visible; None for a frame without a label."""
        for runs, value in ((self.there, True), (self.away, False)):
            if any(first <= frame_index <= last for first, last in runs):
                return value
        return None


VIDEOS: dict[str, tuple[Labels, ...]] = {
    "bikes.mp4": (
        Labels(
            "the man in black",
            ((32, 44), (80, 80), (104, 136)),
            ((0, 24), (52, 72), (88, 96), (144, 184), (216, 244)),
        ),
        Labels("the taxi", ((60, 72),), ((0, 28), (80, 136), (144, 248))),
        Labels("the red car", ((12, 28),), ((32, 76), (80, 136), (188, 248))),
        Labels("the bicycle", ((108, 136), (144, 184), (192, 244)), ((0, 28), (52, 72), (88, 96))),
        Labels("the motorcycle", ((104, 136),), ((0, 76), (144, 244))),
        Labels("the dog", away=ALL),
        Labels("the horse", away=ALL),
        Labels("the man in the suit", ((32, 44),), ((0, 24), (52, 72), (88, 96), (144, 184), (216, 244))),
        Labels("the cyclist", ((80, 80), (104, 136)), ((0, 24), (52, 72), (88, 96), (144, 184), (216, 244))),
    ),
    "dog_720p.mp4": (
        Labels("the dog", ((0, 72), (108, 288)), ((80, 100),)),
        Labels("the woman", there=ALL),
        Labels("the girl in a red dress", away=ALL),
        Labels("the cat", away=ALL),
        Labels("the car", away=ALL),
    ),
    "example_480p.mp4": (
        Labels("the horse", there=ALL),
        Labels("the rider", there=ALL),
        Labels("the dog", away=ALL),
        Labels("the car", away=ALL),
    ),
}


def path_of(video: str) -> Path:
    """The path of a video. Raises `CheckpointError` if that of the demonstration was not downloaded."""
    return weights_of("demo")[video] if video == "bikes.mp4" else SHARED / "clips" / "real" / video


def rows_of(video: str, model: MaskModel) -> list[dict[str, Any]]:
    """A row per labelled expression and frame: presence, and whether a mask is shown."""
    with open_video(path_of(video)) as source:
        frames = list(source)
    labels = VIDEOS[video]
    texts = [label.expression for label in labels]
    answers = {frame.index: ask(model, frame.image, texts) for frame in frames[::EVERY]}
    rows = []
    for tracker, tracked, key_frames in (("none", frames[::EVERY], KeyFrames(1)), ("tracks", frames, KeyFrames(EVERY))):
        config = tracker_config(tracker)
        reader = RecordedReader(texts, answers, video)
        session = StreamSession(reader, TRACKERS[config.name](config.numbers), key_frames)
        for frame, results in process(session, tracked):
            for label, result in zip(labels, results, strict=True):
                row = {"film": video, "expression": label.expression, "tracker": tracker}
                row |= {"presence": result.presence, "shown": bool(result.mask.any())}
                rows.append(row | {"there": label.of(frame.index)})
    return [row for row in rows if row["there"] is not None]


def figures_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """T-acc and N-acc of the masks shown, and the presence threshold for each wanted T-acc."""
    is_visible = np.array([row["there"] for row in rows])
    shown, presence = (np.array([row[key] for row in rows]) for key in ("shown", "presence"))
    ordered = np.sort(presence[is_visible])
    levels = []
    for wanted in WANTED if is_visible.any() and not is_visible.all() else ():
        threshold = float(ordered[round((1 - wanted) * len(ordered))])
        levels.append(
            {
                "wanted_t_acc": wanted,
                "threshold": round(threshold, 3),
                "N-acc": round(float((presence[~is_visible] < threshold).mean()), 4),
            }
        )
    return {
        "frames_there": int(is_visible.sum()),
        "frames_away": int((~is_visible).sum()),
        "T-acc": round(float(shown[is_visible].mean()), 4) if is_visible.any() else None,
        "N-acc": round(float((~shown[~is_visible]).mean()), 4) if not is_visible.all() else None,
        "levels": levels,
    }


def main() -> None:
    parser = BENCHMARK.parser()
    parser.add_argument("--model", default="photo", help="as `rvos segment --model` takes it (photo)")
    parser.add_argument("--levels", action="store_true", help="enter the thresholds for the model")
    arguments = parser.parse_args()
    one_thread()
    films = [video for video in VIDEOS if video == "bikes.mp4" or path_of(video).is_file()]
    model = resolve_model(arguments.model, "cpu")
    rows = [row for video in films for row in rows_of(video, model)]
    figures: dict[str, Any] = {}
    for tracker in ("none", "tracks"):
        of_tracker = [row for row in rows if row["tracker"] == tracker]
        named: dict[str, list[dict[str, Any]]] = {}
        for row in of_tracker:
            named.setdefault(f"{row['film']}: {row['expression']}", []).append(row)
        figures[tracker] = {"all": figures_of(of_tracker), "expressions": {n: figures_of(r) for n, r in named.items()}}
    if arguments.levels:
        identity, levels_found = describe(model), figures["tracks"]["all"]["levels"]
        levels = [(level["wanted_t_acc"], level["threshold"]) for level in levels_found]
        write_levels(identity.name, identity.revision, BENCHMARK.command(), levels)
    BENCHMARK.write(arguments.out, {"model": describe(model).document(), "films": films, "trackers": figures})
    for tracker, of in figures.items():
        print(tracker, of["all"])


if __name__ == "__main__":
    BENCHMARK.start(main)
