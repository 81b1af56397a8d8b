"""A list on a cluster of Ray: two nodes, one of which is killed in the middle; what is left is what one machine leaves.

Ray is an extra that takes minutes to install, and a cluster takes a minute to start: `pytest -m ray` where it is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from image_core.errors import CheckpointError, ConfigError
from rvos import VideoSegmenter
from rvos.run.joblist import Row, jobs_of
from rvos.run.rows import run_units, split_into_units
from rvos.synthetic.demo_clip import RATE, SIZE, draw_frame
from rvos.video.writer import VideoWriter

ray = pytest.importorskip("ray", reason="the extra `ray` is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")
pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
CLIPS, FRAMES = 5, 40
NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 80 * 2**20}
EXPRESSIONS = ("the red circle", "the blue star")


@pytest.fixture
def cluster() -> Iterator[Any]:
    started = cluster_utils.Cluster(initialize_head=True, head_node_args=NODE)
    yield started
    started.shutdown()


def build() -> VideoSegmenter:
    return VideoSegmenter("s2rm_tiny", device="cpu")


def unloadable(reason: str) -> VideoSegmenter:
    raise CheckpointError(reason)


def left_by(out: Path) -> dict[str, bytes]:
    names = ("*/frames.jsonl", "*/result.json", "*/masks/0/*.png")
    return {str(path.relative_to(out)): path.read_bytes() for name in names for path in sorted(out.glob(name))}


def test_a_node_that_dies_takes_nothing_along(cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rvos.run.on_ray import run_on_ray

    second = cluster.add_node(**NODE)
    monkeypatch.chdir(tmp_path)
    for index in range(CLIPS):
        with VideoWriter(tmp_path / f"clip_{index}.mp4", SIZE, rate=RATE) as writer:
            for frame in range(FRAMES):
                writer.write(draw_frame(frame + index), frame / RATE)
    rows = [Row(f"clip_{index}.mp4", text) for index in range(CLIPS) for text in EXPRESSIONS]
    rows.append(Row("gone.mp4", "the dog"))
    _, units = split_into_units(rows, jobs_of(rows, tmp_path / "ray", ("masks",), None, False))

    outcomes = []
    for outcome in run_on_ray(units, build, cluster.address, None, lambda done, what: None):
        if not outcomes:
            assert len({node["NodeID"] for node in ray.nodes() if node["Alive"]}) == 2
            cluster.remove_node(second, allow_graceful=False)
        outcomes.append(outcome)
    assert sorted(outcome.row for outcome in outcomes) == list(range(len(rows)))
    errors = {outcome.row: outcome.error for outcome in outcomes if outcome.error}
    assert list(errors) == [2 * CLIPS] and "no such file" in str(errors[2 * CLIPS])

    _, units = split_into_units(rows, jobs_of(rows, tmp_path / "here", ("masks",), None, False))
    list(run_units(units, build(), lambda done, what: None))
    left = left_by(tmp_path / "here")
    assert len(left) == 2 * CLIPS * (2 + FRAMES) and left_by(tmp_path / "ray") == left

    with pytest.raises(ConfigError, match=r"^weights: not there$"):
        list(run_on_ray(units, partial(unloadable, "weights: not there"), cluster.address, 1, lambda *_: None))


def test_an_address_without_a_cluster_is_reported(tmp_path: Path) -> None:
    from rvos.run.on_ray import run_on_ray

    with pytest.raises(ConfigError, match="expected the address of a cluster that answers, got nowhere"):
        list(run_on_ray([], build, "nowhere", None, lambda done, what: None))
