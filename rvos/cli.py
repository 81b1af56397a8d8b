"""The door for people: `rvos COMMAND ...`. It loads nothing heavy; every command imports what it needs when it runs.

Exit codes: 0 done, 2 the input is at fault (one line on stderr), 1 a fault of ours or of a given model (a traceback),
130 interrupted.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from image_core.errors import RvosError
from rvos.commands.bootstrap import bootstrap
from rvos.commands.convert import convert
from rvos.commands.data import data
from rvos.commands.demo import demo
from rvos.commands.doctor import doctor
from rvos.commands.evaluate import evaluate
from rvos.commands.models import models
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
for command in (segment, demo, synth, train, bootstrap, evaluate, score, submit, convert, doctor):
    app.command()(command)
app.add_typer(models, name="models")
app.add_typer(data, name="data")

DONE, OUR_FAULT, INPUT_FAULT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (None: that of the process) and give its exit code."""
    with _messages_on_stderr():
        try:
            code = app(args=None if arguments is None else list(arguments), prog_name="rvos", standalone_mode=False)
        except typer.TyperException as error:
            _say(f"rvos: {error.format_message().rstrip('.')}; rvos --help tells what there is")
            return INPUT_FAULT
        except RvosError as error:
            _say(f"rvos: {error}")
            return INPUT_FAULT
        except KeyboardInterrupt:
            code = INTERRUPTED
        except Exception:
            traceback.print_exc()
            return OUR_FAULT
    if code == INTERRUPTED:
        _say("rvos: interrupted; the same command continues")
    return code or DONE


def _say(message: str) -> None:
    """One line, whatever the message brings (a file name may hold a line break)."""
    print(" ".join(message.splitlines()), file=sys.stderr, flush=True)


@contextmanager
def _messages_on_stderr() -> Iterator[None]:
    """What the packages of this project log goes to stderr, the bare message a line; afterwards, where it went before.
    Whoever calls `main` in a process of their own gets their levels back, those that `--quiet` raised, too."""
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
