"""Scaffolds a family: a small network that works and passes every check, to be rewritten.

It stands on one of the bases that lineages share: a network with stages, of tokens (like a Vision
Transformer), or of mobile blocks. Nothing is ever overwritten.
"""

from __future__ import annotations

import keyword
import re
import tomllib
from pathlib import Path
from string import Template
from typing import Literal, get_args

from typedvision.errors import Problem, UsageError
from typedvision.registry import index

Base = Literal["stages", "token", "mobile"]
"""What a family can stand on: `StagedModel`, `TokenModel`, `MobileModel`."""
BASES: tuple[Base, ...] = get_args(Base)

_TEMPLATES = Path(__file__).parent / "templates"
_TABLE = f'[project.entry-points."{index.ENTRY_POINT_GROUP}"]'


def family_files(name: str, base: Base, package: str, folder: Path) -> dict[Path, str]:
    """The files of a family, each with its text.

    Args:
        name: the family's key, lower-case words joined by `_`.
        base: what it stands on.
        package: dotted name of the package that gets it.
        folder: the folder of that package.

    Raises:
        UsageError: the family cannot have this name, or its folder is there already.
    """
    reason = _refusal(name)
    if reason is not None:
        raise UsageError(reason)
    home = folder / name
    if home.exists():
        raise UsageError(f"'{home}' is there already; nothing is overwritten")
    written = {
        home / file: _filled(f"{base}/{file}.txt", name, package)
        for file in ("config.py", "family.py", "model.py")
    }
    return {home / "__init__.py": "", **written, home / "weights.json": "{}\n"}


def plugin_files(name: str, base: Base, package: str, folder: Path) -> dict[Path, str]:
    """The files of a family in a package of one's own: `family_files`, its test, and the
    `pyproject.toml` of the package with the family's entry point.

    Raises:
        UsageError: the family cannot have this name, something of it is there already, or the
            package has no `pyproject.toml`, or one that cannot be changed.
    """
    files = family_files(name, base, package, folder)
    project = next((above for above in folder.parents if (above / _PROJECT).is_file()), None)
    if project is None:
        raise UsageError(
            f"no {_PROJECT} stands above '{folder}': the library finds a family by an entry point, "
            "which is written there"
        )
    test = project / "tests" / f"test_{name}.py"
    if test.exists():
        raise UsageError(f"'{test}' is there already; nothing is overwritten")
    target = f"{package}.{name}.family:{class_name(name)}Family"
    files[test] = _filled("test.py.txt", name, package)
    files[project / _PROJECT] = _with_entry_point(project / _PROJECT, name, target)
    return files


_PROJECT = "pyproject.toml"


def class_name(name: str) -> str:
    """The name as a class has it: `my_net` -> `MyNet`."""
    return "".join(word.capitalize() for word in name.split("_"))


def _refusal(name: str) -> str | None:
    """Why a family cannot have this name; None where it can."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name):
        return f"a family's name is lower-case words joined by '_', such as 'my_net'; got {name!a}"
    if keyword.iskeyword(name):
        return f"'{name}' is a word of Python itself"
    if name in index.family_keys():
        return f"there is a family '{name}' already"
    if {name, f"{name}_tiny", f"{name}_small"} & set(index.variants()):
        return f"there is a model '{name}' already; see `typedvision show {name}`"
    return None


def _filled(template: str, name: str, package: str) -> str:
    text = Template((_TEMPLATES / template).read_text("utf-8"))
    return text.substitute(name=name, Class=class_name(name), package=package)


def _with_entry_point(path: Path, name: str, target: str) -> str:
    """The text of a `pyproject.toml` with the entry point of a family, and nothing else changed."""
    old = path.read_text("utf-8")
    row = f'{name} = "{target}"'
    if re.search(rf"^{re.escape(_TABLE)}$", old, re.MULTILINE):
        new = old.replace(_TABLE, f"{_TABLE}\n{row}", 1)
    else:
        new = f"{old.rstrip()}\n\n{_TABLE}\n{row}\n"
    try:
        wanted = tomllib.loads(old)
        points = wanted.setdefault("project", {}).setdefault("entry-points", {})
        points.setdefault(index.ENTRY_POINT_GROUP, {})[name] = target
        done = tomllib.loads(new) == wanted
    except (tomllib.TOMLDecodeError, AttributeError, TypeError):
        done = False
    if not done:
        message = f"write there yourself, in {_TABLE}: {row}"
        problem = Problem((path.name,), "value", message)
        raise UsageError(f"'{path}' cannot be changed by adding a line", [problem])
    return new
