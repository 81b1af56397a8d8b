"""The command line: `rvos COMMAND ...`. It imports no heavy packages; each command imports what it needs when it runs.

Exit codes: 0 success, 2 an error in the input (one line on stderr), 1 an error in rvos or in a given model (a
traceback), 130 interrupted.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer

from image_core.errors import ConfigError, RvosError
from rvos.commands.app import app as app_command
from rvos.commands.bootstrap import bootstrap
from rvos.commands.convert import convert
from rvos.commands.data import data
from rvos.commands.demo import demo
from rvos.commands.doctor import doctor
from rvos.commands.draw import draw
from rvos.commands.evaluate import evaluate
from rvos.commands.export import export
from rvos.commands.importing import import_masks
from rvos.commands.models import models
from rvos.commands.options import SET_HELP
from rvos.commands.score import score
from rvos.commands.segment import segment
from rvos.commands.submit import submit
from rvos.commands.synth import synth
from rvos.commands.train import train

app = typer.Typer(
    name="rvos",
    help="Referring video object segmentation: a video and an expression in, a mask for every frame out.",
    add_completion=False,
    # The rich help takes twice as long as everything else together.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (segment, demo, draw, export, synth, train, bootstrap, evaluate, score, submit, convert, doctor):
    app.command(epilog=SET_HELP if command in (segment, demo, evaluate) else None)(command)
app.command("import")(import_masks)
app.command("app")(app_command)
app.add_typer(models, name="models")
app.add_typer(data, name="data")

_ENVIRONMENT_ERRORS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENAMETOOLONG),
    *(errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EPIPE, errno.ENODEV),
}
"""Errors of the operating system that are not errors of rvos."""

DONE, INTERNAL_ERROR, INPUT_ERROR, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None for that of the process) and return its exit code."""
    _open_closed_streams()
    with _log_to_stderr():
        try:
            _check_arguments(sys.argv[1:] if arguments is None else arguments)
            code = app(args=None if arguments is None else list(arguments), prog_name="rvos", standalone_mode=False)
            sys.stdout.flush()
        except typer.TyperException as error:
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "rvos"
            _print_error(f"rvos: {error.format_message().rstrip('.')}; {command} --help tells what there is")
            return INPUT_ERROR
        except RvosError as error:
            _print_error(f"rvos: {error}")
            return INPUT_ERROR
        except KeyboardInterrupt:
            code = INTERRUPTED
        except OSError as error:
            if error.errno not in _ENVIRONMENT_ERRORS:
                traceback.print_exc()
                return INTERNAL_ERROR
            what = f"{error.filename}: " if error.filename else ""
            _discard_stdout()
            _print_error(
                f"rvos: {what}{error.strerror}: check the path, its permissions and free space, then try again"
            )
            return INPUT_ERROR
        except Exception:
            traceback.print_exc()
            return INTERNAL_ERROR
    if code == INTERRUPTED:
        _print_error("rvos: interrupted; the same command continues")
    return code or DONE


def _open_closed_streams() -> None:
    """Connect the standard streams that the caller closed, as `>&-` and some job schedulers do, to the null device:
    a file that is opened later would get their number, and what libraries print would be written into it."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115


def _check_arguments(arguments: Sequence[str]) -> None:
    """Raise `ConfigError` for an empty argument, as left by an unset shell variable, which would mean this folder, and
    for a file that would be read as options because of its name."""
    for before, argument in zip(["rvos", *arguments], arguments, strict=False):
        if not argument or re.fullmatch("--[a-z-]+=", argument):
            place = argument or f"'' after '{before}'"
            raise ConfigError(f"expected no empty argument, got {place}: is a variable of the shell unset?")
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for name in (option for option in options if option.startswith("-") and "." in option and Path(option).exists()):
        raise ConfigError(f"expected an option, got the file {name}: write ./{name}")


def _discard_stdout() -> None:
    """Redirect stdout to the null device, so that flushing it at exit raises no second error."""
    if sys.stdout is sys.__stdout__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_error(message: str) -> None:
    """Print one line on stderr, also if the message has line breaks, as a file name may."""
    print(" ".join(message.splitlines()), file=sys.stderr, flush=True)


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Log messages of this project go to stderr, one line each. Afterwards handlers and levels are restored, also those
    that `--quiet` changed, for callers of `main` in another program."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for file names that are not UTF-8
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    levels = {logger: logger.level for logger in map(logging.getLogger, ("rvos", "image_core"))}
    for logger in levels:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in levels.items():
            logger.removeHandler(handler)
            logger.setLevel(level)


if __name__ == "__main__":
    sys.exit(main())
