"""Mutated videos, pictures and annotation files: does any of them crash, hang or end in a traceback?

    python -m benchmarks.robustness.fuzz --cases 1000

Each case is a small whole file with a few random changes, read as the commands read it, in a process of its own. What
is wanted is 0 crashes, 0 hangs, 0 tracebacks: a file is read, or refused in one line.
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
from benchmarks.robustness.seeds import write_datasets, write_pictures, write_videos

BENCHMARK = Benchmark(__file__, __doc__)
LIMIT_S = 60.0
KINDS = ("videos", "annotations", "pictures")
_FAULTS = {"crash": "crashes", "hang": "hangs", "traceback": "tracebacks"}
_BY_VALUE = 0.7
"""Share of JSON that is changed by its values, and not by its bytes."""
_MOST_TOLD = 20


@dataclass(frozen=True)
class Case:
    """One mutated file: of `kind`, from the seed file `number`-th of its kind, changed by the generator of `seed`."""

    kind: str
    number: int
    seed: int


class Reader:
    """Reads cases, as the commands read files; the whole files lie under `folder`, which it fills."""

    def __init__(self, folder: Path) -> None:
        self._files = {"videos": write_videos(folder / "videos"), "pictures": write_pictures(folder / "pictures")}
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
        """One file of a dataset is changed, the dataset is looked at, and the file is whole again."""
        whole = path.read_bytes()
        change = of_json if path.suffix == ".json" and random.random() < _BY_VALUE else of_bytes
        path.write_bytes(change(whole, random))
        try:
            _LOOKS.get(name, _check)(name, self._folder / "sets" / name)
        finally:
            path.write_bytes(whole)


def _read_video(path: Path, random: Random) -> None:
    """As `rvos segment` does, in either way of treating damage, and by places as random access does."""
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
    """In both forms that the command prints."""
    json.dumps([inventory.lines(), inventory.document()])


def _read_list(name: str, root: Path) -> None:
    from rvos.run.joblist import read_rows

    read_rows(root / "jobs.csv")


_LOOKS = {"refcoco": _check_pictures, "grefcoco": _check_pictures, "list": _read_list}


def run(cases: int, seed: int, kinds: Sequence[str], limit_s: float, until_s: float = math.inf) -> dict[str, Any]:
    """What became of `cases` files of each kind; until_s: seconds after which no more is begun."""
    began = time.monotonic()
    told: dict[str, Counter[str]] = {kind: Counter() for kind in kinds}
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
            told[kind][outcome] += 1
            if outcome in _FAULTS:
                found[kind].append(f"{case}: {answer}")
                print(found[kind][-1], file=sys.stderr, flush=True)
        isolated.close()
    figures = {kind: _figures(told[kind], found[kind]) for kind in kinds}
    return {"seed": seed, "seconds": round(time.monotonic() - began, 1), **figures}


def _figures(told: Counter[str], found: Sequence[str]) -> dict[str, Any]:
    faults = {plural: told[name] for name, plural in _FAULTS.items()}
    read = {"read": told["done"], "refused": told["refused"]}
    return {"cases": told.total(), **faults, **read, "found": list(found[:_MOST_TOLD])}


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
