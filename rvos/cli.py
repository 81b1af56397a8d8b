"""The door for people: `rvos COMMAND ...`. It loads nothing heavy; every command imports what it needs when it runs.

Exit codes: 0 done, 2 the input is at fault (one line on stderr), 1 a fault of ours or of a given model (a traceback),
130 interrupted.
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

import typer

from image_core.errors import ConfigError, RvosError
from rvos.commands.app import app as page
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
    # The rich help costs twice the time of all the rest together.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (segment, demo, draw, export, synth, train, bootstrap, evaluate, score, submit, convert, doctor):
    app.command(epilog=SET_HELP if command in (segment, demo, evaluate) else None)(command)
app.command("import")(import_masks)
app.command("app")(page)
app.add_typer(models, name="models")
app.add_typer(data, name="data")

_OF_THE_DISK = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENAMETOOLONG),
    *(errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.EPIPE, errno.ENODEV),
}
"""What the operating system refuses for reasons that are not ours."""

DONE, OUR_FAULT, INPUT_FAULT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None: that of the process) and give its exit code."""
    with _messages_on_stderr():
        try:
            _check_arguments(sys.argv[1:] if arguments is None else arguments)
            code = app(args=None if arguments is None else list(arguments), prog_name="rvos", standalone_mode=False)
            sys.stdout.flush()
        except typer.TyperException as error:
            context = getattr(error, "ctx", None)
            command = context.command_path if context else "rvos"
            _say(f"rvos: {error.format_message().rstrip('.')}; {command} --help tells what there is")
            return INPUT_FAULT
        except RvosError as error:
            _say(f"rvos: {error}")
            return INPUT_FAULT
        except KeyboardInterrupt:
            code = INTERRUPTED
        except OSError as error:
            if error.errno not in _OF_THE_DISK:
                traceback.print_exc()
                return OUR_FAULT
            what = f"{error.filename}: " if error.filename else ""
            _drop_stdout()
            _say(f"rvos: {what}{error.strerror}: check the place, its rights and the free space; then the same again")
            return INPUT_FAULT
        except Exception:
            traceback.print_exc()
            return OUR_FAULT
    if code == INTERRUPTED:
        _say("rvos: interrupted; the same command continues")
    return code or DONE


def _check_arguments(arguments: Sequence[str]) -> None:
    """Raise `ConfigError` for an empty argument: what an unset variable of a shell leaves would name this folder."""
    for before, argument in zip(["rvos", *arguments], arguments, strict=False):
        if not argument or re.fullmatch("--[a-z-]+=", argument):
            place = argument or f"'' after '{before}'"
            raise ConfigError(f"expected no empty argument, got {place}: is a variable of the shell unset?")


def _drop_stdout() -> None:
    """Nothing more can be written there, also not at the end of the process, which would complain once more."""
    if sys.stdout is sys.__stdout__:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(message: str) -> None:
    """One line, whatever the message brings (a file name may hold a line break)."""
    print(" ".join(message.splitlines()), file=sys.stderr, flush=True)


@contextmanager
def _messages_on_stderr() -> Iterator[None]:
    """What the packages of this project log goes to stderr, the bare message a line; afterwards, where it went before.
    Whoever calls `main` in a process of their own gets their levels back, those that `--quiet` raised, too."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of names that are no UTF-8
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
