"""Mutated videos, images and annotation files: checks that none causes a crash, a hang or a traceback.

    python -m benchmarks.robustness.fuzz --cases 1000

Each case is a small valid file with a few random changes, read as the commands read it, in a process of its own. The
aim is 0 crashes, 0 hangs, 0 tracebacks: a file is read, or rejected with one line.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.harness.command import Benchmark
from benchmarks.robustness.isolation import Isolated
from benchmarks.robustness.mutations import of_bytes, of_json
from benchmarks.robustness.seeds import write_datasets, write_images, write_videos

BENCHMARK = Benchmark(__file__, __doc__)
LIMIT_S = 60.0
KINDS = ("videos", "annotations", "pictures")
_FAULTS = {"crash": "crashes", "hang": "hangs", "traceback": "tracebacks"}
_BY_VALUE = 0.7
"""Share of JSON files of which values are changed, not bytes."""
_MOST_LISTED = 20


@dataclass(frozen=True)
class Case:
    """One mutated file: the `number`-th seed file of `kind`, changed by the generator of `seed`."""

    kind: str
    number: int
    seed: int


class Reader:
    """Reads cases as the commands read files. folder: it writes the valid files there."""

    def __init__(self, folder: Path) -> None:
        self._files = {"videos": write_videos(folder / "videos"), "pictures": write_images(folder / "pictures")}
        self._trees = [(name, path) for name, files in write_datasets(folder / "sets").items() for path in files]
        self._folder = folder

    def __call__(self, case: Case) -> None:
        random = Random(f"{case.kind} {case.seed}")
        if case.kind == "annotations":
            self._annotations(*self._trees[case.number % len(self._trees)], random)
            return
        whole = self._files[case.kind][case.number % len(self._files[case.kind])]
        path = self._folder / f"changed{whole.suffix}"
        path.write_bytes(of_bytes(whole.read_bytes(), random))
        (_read_video if case.kind == "videos" else _read_picture)(path, random)

    def _annotations(self, name: str, path: Path, random: Random) -> None:
        """Change one file of a dataset, read the dataset, and restore the file."""
        whole = path.read_bytes()
        change = of_json if path.suffix == ".json" and random.random() < _BY_VALUE else of_bytes
        path.write_bytes(change(whole, random))
        try:
            _LOOKS.get(name, _check)(name, self._folder / "sets" / name)
        finally:
            path.write_bytes(whole)


def _read_video(path: Path, random: Random) -> None:
    """Read a video as `rvos segment` does, with both ways of treating damage, and by random access."""
    from rvos.video.reader import open_video

    with open_video(path, damage=random.choice(("stop", "skip")), prefetch=random.choice((0, 4))) as video:
        seen = sum(1 for _ in islice(video, 200))
        if random.random() < 0.3 and seen:
            video.get([seen - 1, 0])
        video.count_frames()


def _read_picture(path: Path, random: Random) -> None:
    from image_core.errors import RvosError
    from image_core.geometry.mask_files import MaskEncoding, read_mask
    from image_core.images import check_complete, image_size, read_image

    for call in (
        partial(read_image, apply_orientation=True),
        partial(image_size, apply_orientation=True),
        check_complete,
    ):
        try:
            call(path)
        except RvosError:
            continue
    mask = read_mask(path)
    MaskEncoding.of([mask]).ids(mask)


def _check(name: str, root: Path) -> None:
    from rvos.data import open_dataset
    from rvos.data.check import check_dataset
    from rvos.data.frame_size import frame_size

    _told(check_dataset(open_dataset(name, root), frame_size))


def _check_pictures(name: str, root: Path) -> None:
    from image_core.data.check import check_images

    _told(check_images(name, root, None, None))


def _told(inventory: Any) -> None:
    """Format an inventory in both forms that the command prints."""
    json.dumps([inventory.lines(), inventory.document()])


def _read_list(name: str, root: Path) -> None:
    from rvos.run.joblist import read_rows

    read_rows(root / "jobs.csv")


_LOOKS = {"refcoco": _check_pictures, "grefcoco": _check_pictures, "list": _read_list}


def run(cases: int, seed: int, kinds: Sequence[str], limit_s: float, until_s: float = math.inf) -> dict[str, Any]:
    """Outcomes of `cases` files of each kind. until_s: seconds after which no further case is started."""
    began = time.monotonic()
    outcomes: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
    found: dict[str, list[str]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        isolated = Isolated(partial(Reader, Path(folder)), limit_s)
        begun = time.monotonic()
        for kind, number in ((kind, number) for number in range(cases) for kind in kinds):
            if time.monotonic() - begun > until_s:
                break
            case = Case(kind, number, seed + number)
            answer = isolated(case)
            outcome = answer.partition(":")[0]
            outcomes[kind][outcome] += 1
            if outcome in _FAULTS:
                found[kind].append(f"{case}: {answer}")
                print(found[kind][-1], file=sys.stderr, flush=True)
        isolated.close()
    figures = {kind: _figures(outcomes[kind], found[kind]) for kind in kinds}
    return {"seed": seed, "seconds": round(time.monotonic() - began, 1), **figures}


def _figures(outcomes: Counter[str], found: Sequence[str]) -> dict[str, Any]:
    faults = {plural: outcomes[name] for name, plural in _FAULTS.items()}
    read = {"read": outcomes["done"], "refused": outcomes["refused"]}
    return {"cases": outcomes.total(), **faults, **read, "found": list(found[:_MOST_LISTED])}


def main() -> None:
    parser = BENCHMARK.parser(seed=0)
    parser.add_argument("--cases", type=int, default=1000, help="files of each kind")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    arguments = parser.parse_args()
    figures = run(arguments.cases, arguments.seed, tuple(arguments.kinds), LIMIT_S)
    BENCHMARK.write(arguments.out, figures)
    for kind in arguments.kinds:
        print(kind, {name: count for name, count in figures[kind].items() if name != "found"})


if __name__ == "__main__":
    BENCHMARK.start(main)
