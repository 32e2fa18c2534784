"""Scaffolds a family: a small network that works and passes every check, to be rewritten.

    python -m tools.new_family NAME [--base stages|token|mobile]

writes `src/typedvision/families/NAME/` and prints what comes next. It never overwrites. A base is
what a lineage shares: a network with stages, of tokens (like a Vision Transformer), or of mobile
blocks.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from pathlib import Path
from string import Template

from typedvision.registry import index

FAMILIES = Path(__file__).parents[1] / "src" / "typedvision" / "families"

TEMPLATES = Path(__file__).parent / "family_templates"
BASES = ("stages", "token", "mobile")
"""What a family can stand on: `ImageModel` with stages, `TokenModel`, `MobileModel`."""
WRITTEN = ("config.py", "family.py", "model.py")

NEXT = """\
next:
  make generate   so that the index, the stubs and the documentation know the family
  make check      passes now, and is to pass after every step
then rewrite config.py, family.py and model.py until they say what the paper says, and write down
what the peer says of its variants:
  python -m tools.golden --timm PYTHON CONTRACTS $name
"""


def refusal(name: str) -> str | None:
    """Why a family cannot have this name; None where it can."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return "a family's name is lower-case words joined by '_', such as 'my_net'"
    if keyword.iskeyword(name):
        return f"'{name}' is a word of Python itself"
    if (FAMILIES / name).exists() or name in index.family_keys():
        return f"there is a family '{name}' already"
    if {name, f"{name}_tiny", f"{name}_small"} & set(index.variants()):
        return f"there is a model '{name}' already; see `typedvision show {name}`"
    return None


def class_name(name: str) -> str:
    """The name as a class has it: `my_net` -> `MyNet`."""
    return "".join(word.capitalize() for word in name.split("_"))


def scaffold(name: str, base: str) -> Path:
    """Write the files of a family on one of the `BASES`; returns its folder.

    Raises:
        ValueError: the family cannot have this name.
    """
    reason = refusal(name)
    if reason is not None:
        raise ValueError(reason)
    folder = FAMILIES / name
    folder.mkdir()  # fails where something is: nothing is overwritten
    for file in WRITTEN:
        template = Template((TEMPLATES / base / f"{file}.txt").read_text("utf-8"))
        text = template.substitute(name=name, Class=class_name(name))
        (folder / file).write_text(text, "utf-8")
    (folder / "__init__.py").touch()
    (folder / "weights.json").write_text("{}\n", "utf-8")
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Scaffold the family that is named; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.new_family", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("name", metavar="NAME", help="lower-case words joined by '_'")
    parser.add_argument("--base", choices=BASES, default=BASES[0], help="what it stands on")
    chosen = parser.parse_args(arguments)
    name: str = chosen.name
    try:
        folder = scaffold(name, chosen.base)
    except ValueError as error:
        print(f"new_family: {error}", file=sys.stderr)
        return 2
    print("wrote", *sorted(folder.iterdir()), sep="\n  ")
    print(Template(NEXT).substitute(name=name), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
