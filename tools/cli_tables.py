"""The tables of docs/cli.md, made from the commands themselves.

python tools/cli_tables.py

A test asserts that docs/cli.md is what this command writes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import typer
from field_tables import part_rows, system_rows
from marked_tables import table, write

from rvos.cli import app


@cache
def commands() -> dict[str, Any]:
    """Every command by the words that call it: `segment`, `data check`."""
    return dict(_commands(typer.main.get_command(app), ()))


def _commands(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    inside = getattr(command, "commands", {})
    if not inside or (words and command.invoke_without_command):
        yield " ".join(words), command
    for name, inner in inside.items():
        yield from _commands(inner, (*words, name))


def overview() -> str:
    """Every command with the first sentence of its help."""
    return table(
        ("command", "does"),
        ([f"[`rvos {name}`](#rvos-{name.replace(' ', '-')})", _one_line(c.help)] for name, c in commands().items()),
    )


def shared() -> str:
    """The options that several commands share with the same help text, and these commands."""
    takers: dict[tuple[str, str], list[str]] = {}
    for name, command in commands().items():
        for option in _options(command):
            if _row(option) in _shared_rows():
                takers.setdefault(_row(option), []).append(name)
    return table(("option", "means", "of"), ([*row, ", ".join(names)] for row, names in takers.items()))


def of_command(name: str) -> str:
    """The arguments of one command and the options that are its own."""
    return table(("", "means"), _own_rows(commands()[name]))


def settings() -> str:
    """The settings of `--set`, without the numbers of parts."""
    return table(("key", "default", "means"), system_rows())


def numbers() -> str:
    """Every number of a propagator or tracker that can be set by `--set`."""
    return table(("of", "key", "default", "means"), ([f"`{part}`", *row] for part, row in part_rows()))


def _own_rows(command: Any) -> list[tuple[str, str]]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    rows = [(f"`{a.metavar.removesuffix('...')}`", _one_line(a.help)) for a in arguments]
    return rows + [row for row in map(_row, _options(command)) if row not in _shared_rows()]


@cache
def _shared_rows() -> set[tuple[str, str]]:
    counts = Counter(_row(option) for command in commands().values() for option in _options(command))
    return {row for row, count in counts.items() if count > 1}


def _options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and p.name != "help"]


def _row(option: Any) -> tuple[str, str]:
    """An option as written on the command line, and its help text with the default."""
    written = " ".join([option.opts[0], *([option.metavar] if option.metavar else [])])
    notes = ["required"] if option.required else []
    if not option.required and option.default is not False and option.default not in (None, ""):
        notes.append(f"default `{option.default}`")
    return f"`{written}`", _one_line(option.help) + (f" ({', '.join(notes)})" if notes else "")


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("<", "\\<")


TABLES: dict[str, Callable[[], str]] = {
    "overview": overview,
    "shared": shared,
    "settings": settings,
    "numbers": numbers,
    **{name.replace(" ", "_"): partial(of_command, name) for name, command in commands().items() if _own_rows(command)},
}
PAGES = {"cli.md": TABLES}


def main() -> int:
    """Write docs/cli.md."""
    write(PAGES)
    return 0


if __name__ == "__main__":
    sys.exit(main())
