"""`rvos segment --list`: the rows of a table, in this process or in several, with a bar over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.commands.machine import processes_for
from rvos.commands.progress_bar import list_bar
from rvos.commands.running import tell_all
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
    """Run the rows of a table, a folder a row; the exit code. Raises `RvosError` for what would break every row."""
    if processes is not None and processes < 1:
        raise ConfigError(f"--jobs: expected 1 or more, got {processes}")
    if ray is not None and is_url(out):
        raise ConfigError(f"--out: expected a folder that every node sees beside --ray, got {out}")
    rows = read_rows(table)
    with out_folder(out) as folder, list_bar(len(rows), quiet) as progress:
        broken, units = split_into_units(rows, jobs_of(rows, folder.local, save, only_frames, overwrite))
        left = sum(not is_done(unit) for unit in units)
        count = min(left, processes) if processes is not None else processes_for(left, options.is_cuda(config.device))
        if ray is not None:
            outcomes = run_on_ray(units, partial(options.segmenter_of, config, quiet), ray, processes, progress)
        elif count > 1:
            build = partial(options.segmenter_of_share, config, quiet, count)
            outcomes = run_in_processes(units, build, count, progress)
        else:
            outcomes = run_units(units, options.segmenter_of(config, quiet), progress)
        return tell_all(chain(broken, _transferred(outcomes, folder)), as_json, folder.display_path)


def _transferred(outcomes: Iterable[Outcome], folder: LocalFolder | RemoteFolder) -> Iterator[Outcome]:
    """The outcomes, each after its folder lies where it belongs; one whose folder cannot be taken there has failed."""
    for outcome in outcomes:
        try:
            folder.transfer(outcome.job.out)
        except OutputError as error:
            outcome = Outcome(outcome.row, outcome.job, error=str(error))
        yield outcome
