"""Converts DAVIS 2017 and its text annotations to the folder that `rvos evaluate ref-davis17` reads.

python tools/prepare_ref_davis17.py RAW OUT

RAW holds DAVIS and davis_text_annotations as they are downloaded; see `rvos.data.prepare_davis`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from image_core.errors import RvosError
from rvos.data.prepare_davis import convert


def main(arguments: list[str]) -> int:
    """The exit code: 0, or 2 for an error in the input."""
    parser = argparse.ArgumentParser(description="Convert DAVIS 2017 and its expressions to the form of Ref-DAVIS17.")
    parser.add_argument("raw", metavar="RAW", type=Path, help="the folder that holds DAVIS and davis_text_annotations")
    parser.add_argument("out", metavar="OUT", type=Path, help="the folder that becomes the dataset's root")
    given = parser.parse_args(arguments)
    try:
        notes = convert(given.raw, given.out)
    except RvosError as error:
        print(f"prepare_ref_davis17: {error}", file=sys.stderr)
        return 2
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(given.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
