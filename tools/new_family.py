"""Scaffolds a family of this library, by what `typedvision new-family` does for others.

    python -m tools.new_family NAME [--base stages|token|mobile]

writes `src/typedvision/families/NAME/` and prints what comes next. It never overwrites.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from typedvision.errors import UsageError
from typedvision.scaffold import BASES, family_files

FAMILIES = Path(__file__).parents[1] / "src" / "typedvision" / "families"
NEXT = """\
next:
  make generate   so that the index, the stubs and the documentation know the family
  make check      passes now, and is to pass after every step
then rewrite config.py, family.py and model.py until they say what the paper says, and write down
what the peer says of its variants:
  python -m tools.golden --timm PYTHON CONTRACTS {name}
"""


def main(arguments: list[str] | None = None) -> int:
    """Scaffold the family that is named; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.new_family", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", metavar="NAME", help="lower-case words joined by '_'")
    parser.add_argument("--base", choices=BASES, default=BASES[0], help="what it stands on")
    chosen = parser.parse_args(arguments)
    try:
        files = family_files(chosen.name, chosen.base, "typedvision.families", FAMILIES)
    except UsageError as error:
        print(f"new_family: {error.summary}", file=sys.stderr)
        return 2
    for path, text in files.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    print("wrote", *sorted(files), sep="\n  ")
    print(NEXT.format(name=chosen.name), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
