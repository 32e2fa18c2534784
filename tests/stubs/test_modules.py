"""What keeps an editor fast: small stubs, whose calls lead a checker to no class of Pydantic's.

pyright works through Pydantic's base class again after each edit as soon as a signature names one.
"""

from __future__ import annotations

import ast
import builtins
import inspect
from importlib import import_module
from pathlib import Path

import pytest
from pydantic import BaseModel

from typedvision import list_models
from typedvision.config import base

STUBS = Path(__file__).parents[2] / "typings" / "typedvision-stubs"


def test_the_stubs_are_small() -> None:
    assert sum(path.stat().st_size for path in STUBS.iterdir()) < 1090 * len(list_models())


def test_every_name_of_a_stub_is_imported_or_its_own() -> None:
    for path in STUBS.glob("*.pyi"):
        tree = ast.parse(path.read_text())
        known = set(dir(builtins))
        for node in ast.walk(tree):
            if isinstance(node, ast.Import | ast.ImportFrom):
                known |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ClassDef | ast.FunctionDef):
                known.add(node.name)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                known.add(node.id)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert used - known == set(), path.name


@pytest.mark.parametrize(
    ("stub", "functions"),
    [("factory.pyi", {"create_model", "create_backbone"}), ("_variants.pyi", {"__call__"})],
)
def test_no_parameter_names_a_config(stub: str, functions: set[str]) -> None:
    tree = ast.parse((STUBS / stub).read_text())
    imported = {
        alias.name: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found = {
        text
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name in functions
        for argument in [*node.args.args, *node.args.kwonlyargs]
        for part in ast.walk(argument.annotation or argument)
        if isinstance(part, ast.Name | ast.Attribute)
        for text in [ast.unparse(part)]
    }
    dotted = {f"{imported[text]}.{text}" if text in imported else text for text in found}
    assert len(dotted) > 10
    assert [text for text in dotted if text.startswith("typedvision") and is_model(text)] == []


def is_model(dotted: str) -> bool:
    """Whether a dotted name is a class of Pydantic's; one of a stub alone is none."""
    module, _, name = dotted.rpartition(".")
    if not module or module == "typedvision._variants":
        return False
    found = getattr(import_module(module), name, None)  # or a prefix of a longer name
    return inspect.isclass(found) and issubclass(found, BaseModel)


def test_a_config_is_recognised() -> None:
    assert is_model("typedvision.config.base.ModelConfig")
    assert not is_model("typedvision.config.base.Builds")


def test_the_class_of_the_first_overload_stands_above_every_call() -> None:
    body = ast.parse(inspect.getsource(base)).body
    place = next(i for i, node in enumerate(body) if getattr(node, "name", "") == "Builds")
    calls = [n for node in body[:place] for n in ast.walk(node) if isinstance(n, ast.Call)]
    assert [ast.unparse(call.func) for call in calls if ast.unparse(call.func) != "TypeVar"] == []
