"""`rvos segment --list`: the rows of a table, in this process or in several, with a bar over all of them."""

from __future__ import annotations

from functools import partial
from itertools import chain
from pathlib import Path

from image_core.errors import ConfigError
from rvos.commands import options
from rvos.commands.machine import processes_for
from rvos.commands.progress_bar import list_bar
from rvos.commands.running import tell_all
from rvos.run.joblist import jobs_of, read_rows
from rvos.run.processes import run_in_processes
from rvos.run.rows import is_done, run_units, split
from rvos.system import SystemConfig


def run_list(
    table: Path,
    out: Path,
    save: tuple[str, ...],
    only_frames: range | None,
    overwrite: bool,
    config: SystemConfig,
    processes: int | None,
    quiet: bool,
    as_json: bool,
) -> int:
    """Run the rows of a table, a folder a row; the exit code. Raises `RvosError` for what would break every row."""
    if processes is not None and processes < 1:
        raise ConfigError(f"--jobs: expected 1 or more, got {processes}")
    rows = read_rows(table)
    broken, units = split(rows, jobs_of(rows, out, save, only_frames, overwrite))
    left = sum(not is_done(unit) for unit in units)
    count = min(left, processes) if processes is not None else processes_for(left, options.is_cuda(config.device))
    with list_bar(len(rows), quiet) as progress:
        if count > 1:
            build = partial(options.segmenter_of_share, config, quiet, count)
            outcomes = run_in_processes(units, build, count, progress)
        else:
            outcomes = run_units(units, options.segmenter_of(config, quiet), progress)
        return tell_all(chain(broken, outcomes), as_json)
