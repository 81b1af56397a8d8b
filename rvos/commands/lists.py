"""`rvos segment --list`: run the rows of a table, in this process or in several, with one progress bar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.commands.machine import processes_for
from rvos.commands.progress_bar import list_bar
from rvos.commands.running import print_outcomes
from rvos.run.joblist import jobs_of, read_rows
from rvos.run.on_ray import run_on_ray
from rvos.run.processes import run_in_processes
from rvos.run.remote import LocalFolder, RemoteFolder, is_url, out_folder
from rvos.run.rows import Outcome, is_done, run_units, split_into_units
from rvos.system import SystemConfig
from rvos.types import OutputError


def run_list(
    table: Path,
    out: str,
    save: tuple[str, ...],
    only_frames: range | None,
    overwrite: bool,
    config: SystemConfig,
    processes: int | None,
    ray: str | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run the rows of a table, with one folder per row. Returns the exit code. Raises `RvosError` for an error that
    affects every row."""
    if processes is not None and processes < 1:
        raise ConfigError(f"--jobs: expected 1 or more, got {processes}")
    if ray is not None and is_url(out):
        raise ConfigError(f"--out: expected a folder that all nodes share, as --ray needs, got {out}")
    rows = read_rows(table)
    with out_folder(out) as folder, list_bar(len(rows), quiet) as progress:
        broken, units = split_into_units(rows, jobs_of(rows, folder.local, save, only_frames, overwrite))
        remaining = sum(not is_done(unit) for unit in units)
        count = (
            min(remaining, processes)
            if processes is not None
            else processes_for(remaining, options.is_cuda(config.device))
        )
        if ray is not None:
            outcomes = run_on_ray(units, partial(options.build_segmenter, config, quiet), ray, processes, progress)
        elif count > 1:
            build = partial(options.build_worker_segmenter, config, quiet, count)
            outcomes = run_in_processes(units, build, count, progress)
        else:
            outcomes = run_units(units, options.build_segmenter(config, quiet), progress)
        return print_outcomes(chain(broken, _transferred(outcomes, folder)), as_json, folder.display_path)


def _transferred(outcomes: Iterable[Outcome], folder: LocalFolder | RemoteFolder) -> Iterator[Outcome]:
    """Yield the outcomes, each after its folder was copied to its destination. If that fails, the row has failed."""
    for outcome in outcomes:
        try:
            folder.transfer(outcome.job.out)
        except OutputError as error:
            outcome = Outcome(outcome.row, outcome.job, error=str(error))
        yield outcome
