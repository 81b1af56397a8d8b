"""A benchmark from its command line to its JSON: the same arguments and the same header everywhere."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness.machine import REPOSITORY, describe_machine
from image_core.errors import RvosError
from image_core.files import make_folder, write_atomic
from image_core.training.recipe import commit


class Benchmark:
    """One command: `BENCHMARK = Benchmark(__file__, __doc__)` in its file.

    file: of the command; the result is `<name>.json` beside it, unless --out says otherwise. doc: what --help shows.
    """

    def __init__(self, file: str, doc: str | None) -> None:
        path = Path(file).resolve()
        self.name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        self.result = path.with_suffix(".json")
        self.doc = doc

    def parser(
        self, *, seed: int | None = None, workers: int | None = None, writes: bool = True
    ) -> argparse.ArgumentParser:
        """A parser with the options that benchmarks share: --out if it `writes` a result, and --seed and --workers if
        their defaults are given."""
        parser = argparse.ArgumentParser(
            f"python -m {self.name}", description=self.doc, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if writes:
            parser.add_argument("--out", type=Path, default=self.result, help="the JSON; pictures lie beside it")
        if seed is not None:
            parser.add_argument("--seed", type=int, default=seed)
        if workers is not None:
            parser.add_argument("--workers", type=int, default=workers, help="processes of one thread")
        return parser

    def command(self) -> str:
        """The command of this run, as a shell line."""
        return shlex.join(["python", "-m", self.name, *sys.argv[1:]])

    def document(self, figures: Mapping[str, Any]) -> dict[str, Any]:
        """The figures under their header: command, machine with versions and date, commit."""
        return {"command": self.command(), "machine": describe_machine(), "commit": commit(), **figures}

    def write(self, out: Path, figures: Mapping[str, Any], indent: int | None = 1) -> dict[str, Any]:
        """Write the figures under their header. Returns the document that was written."""
        document = self.document(figures)
        make_folder(out.parent)
        write_atomic(out, (json.dumps(document, indent=indent) + "\n").encode())
        return document

    def start(self, main: Callable[[], None]) -> None:
        """Run the command. An error in the input ends it with one line and exit code 2."""
        try:
            main()
        except RvosError as error:
            print(f"{self.name}: {error}", file=sys.stderr)
            raise SystemExit(2) from error
