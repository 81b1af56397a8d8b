"""Runs the jobs of a table on a Ray cluster (extra `ray`): units are rows of a Ray Data dataset.

Only paths and outcomes are sent over the network. Videos and run folders must be accessible on every node.
"""

# Without the extra, the types of Ray are unknown.
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from image_core.errors import ConfigError, RvosError
from image_core.progress import no_progress
from rvos.run.processes import BuildSegmenter
from rvos.run.rows import ListProgress, Outcome, Unit, is_done, run_unit

if TYPE_CHECKING:
    from rvos.segmenter import VideoSegmenter

_STORE_BYTES = 256 * 10**6
"""Largest size of Ray's object store, which contains only paths and outcomes."""
_RETRIES = 3
"""How often a unit is repeated after its node or process died; then its rows have failed."""


def run_on_ray(
    units: Sequence[Unit], build: BuildSegmenter, address: str, actors: int | None, progress: ListProgress
) -> Iterator[Outcome]:
    """Run units on the cluster at `address` (HOST:PORT, ray://HOST:PORT, auto, or local: one that ends with the run).

    actors: processes that load the model once each, by default one for each GPU of the cluster, or for each core where
    it has none. If a node dies, its unit is run elsewhere: finished rows are skipped, the others are continued from
    their last snapshot. Outcomes are returned when a unit ends. Raises `ConfigError` if Ray is not installed, no
    cluster answers, or the model cannot be loaded.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError(f"--ray: expected the extra `ray`, got none ({error}): pip install 'rvos[ray]'") from error
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        told = str(error).partition("\n")[0]
        raise ConfigError(f"--ray: expected the address of a cluster that answers, got {address} ({told})") from error
    try:
        yield from _outcomes(units, build, actors, progress)
    finally:
        ray.shutdown()


def _outcomes(
    units: Sequence[Unit], build: BuildSegmenter, actors: int | None, progress: ListProgress
) -> Iterator[Outcome]:
    missing = {row: job for unit in units for row, job in unit.jobs.items()}
    total = len(missing)
    for _ in range(1 + _RETRIES):
        left = [unit for unit in units if any(row in missing for row in unit.jobs)]
        if not left:
            return
        # A round ends without the units of nodes that died; the next one is sized for the remaining nodes.
        for batch in _dispatch(left, build, actors).iter_batches(batch_size=None, prefetch_batches=0):
            for answer in map(pickle.loads, batch["outcomes"]):
                if isinstance(answer, str):
                    raise ConfigError(answer)
                for outcome in answer:
                    if missing.pop(outcome.row, None) is not None:
                        progress(total - len(missing), outcome.job.source)
                        yield outcome
    for row, job in missing.items():
        yield Outcome(row, job, error=f"its process died {1 + _RETRIES} times: is there enough memory on the nodes?")


def _dispatch(units: Sequence[Unit], build: BuildSegmenter, actors: int | None) -> Any:
    """The dataset of the outcomes, one block per unit."""
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    there = ray.cluster_resources()
    gpus, cores = int(there.get("GPU", 0)), int(there.get("CPU", 1))
    count = min(len(units), actors or gpus or cores)
    context = DataContext.get_current()
    context.max_errored_blocks = -1  # a failed unit does not end the others
    context.enable_progress_bars = False
    limits = context.execution_options.resource_limits
    context.execution_options.resource_limits = limits.copy(object_store_memory=_STORE_BYTES)
    sent = ray.data.from_items([{"unit": pickle.dumps(unit)} for unit in units], override_num_blocks=len(units))
    return sent.map_batches(
        _Runner,
        fn_constructor_args=(pickle.dumps(build), str(Path.cwd())),
        batch_size=1,
        compute=ActorPoolStrategy(size=count, max_tasks_in_flight_per_actor=1),
        num_gpus=min(1.0, gpus / count) if gpus else None,
        num_cpus=max(1, cores // count) if not gpus else 1,
    )


class _Runner:
    """One actor, which loads the model for its first unit."""

    def __init__(self, build: bytes, folder: str) -> None:
        os.chdir(folder)  # paths in the table may be relative
        self._build = build
        self._segmenter: VideoSegmenter | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        return {"outcomes": [pickle.dumps(self._run(pickle.loads(unit))) for unit in batch["unit"]]}

    def _run(self, unit: Unit) -> list[Outcome] | str:
        """The outcomes of the unit's rows, or the reason why the model cannot be loaded."""
        try:
            segmenter = self._segmenter or pickle.loads(self._build)()
            if self._segmenter is None and not is_done(unit):
                segmenter.system.load()
                self._segmenter = segmenter
        except RvosError as error:
            return str(error)
        return list(run_unit(unit, segmenter, no_progress))
