"""A plug-in of pytest: each check of a family of one's own is a test.

    pytest -p typedvision.testing.plugin --family pebble

or in `pyproject.toml`, so that a plain `pytest` runs them:

    [tool.pytest.ini_options]
    addopts = ["-p", "typedvision.testing.plugin", "--family", "pebble"]

A family is named by its key, where it has an entry point, or by `module:Class`. Nothing is loaded
into the pytest of those who do not ask for it, and torch only when the tests run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from typedvision.errors import DeclarationError, TypedVisionError
from typedvision.registry import index
from typedvision.registry.index import registered

if TYPE_CHECKING:
    from typedvision.config.base import ModelConfig
    from typedvision.registry.family import AnyFamily
    from typedvision.testing.checks import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--family`."""
    parser.getgroup("typedvision").addoption(
        "--family",
        action="append",
        default=[],
        metavar="KEY|MODULE:CLASS",
        help="a family of typedvision to check; may be given more than once",
    )


@pytest.hookimpl(tryfirst=True)  # before `-k` chooses
def pytest_collection_modifyitems(
    session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Add the checks of each family that is named."""
    for name in dict.fromkeys(config.getoption("--family") or ()):
        items.extend(_FamilyNode.from_parent(session, name=name, nodeid=name).collect())


class _FamilyNode(pytest.Collector):
    """A family, whose checks are its tests."""

    def collect(self) -> Iterator[pytest.Item]:
        """One test for each check."""
        from typedvision.testing.checks import COMPUTED, DESCRIBED, smallest

        rows = _family(self.name).variants
        for check in DESCRIBED:
            yield _CheckItem.of(self, check, lambda: rows)
        for check in COMPUTED:
            yield _CheckItem.of(self, check, lambda: {"small": smallest(rows.values())})


class _CheckItem(pytest.Item):
    """One check of a family, with the configs that it looks at."""

    check: Check
    configs: Callable[[], Mapping[str, ModelConfig]]

    @classmethod
    def of(
        cls, parent: _FamilyNode, check: Check, configs: Callable[[], Mapping[str, ModelConfig]]
    ) -> _CheckItem:
        """The test of a check."""
        item: _CheckItem = cls.from_parent(parent, name=check.__name__.removeprefix("check_"))
        item.check, item.configs = check, configs
        return item

    def runtest(self) -> None:
        """Raise a DeclarationError of what is wrong."""
        from typedvision.testing.checks import findings

        problems = findings([self.check], self.configs())
        if problems:
            raise DeclarationError(f"{self.nodeid} fails", problems)

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None
    ) -> str:
        """What is wrong, without the traceback, which is the checks' own."""
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, None, str]:
        """What the report calls it."""
        return self.path, None, self.nodeid


def _family(name: str) -> AnyFamily:
    module, colon, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute) if colon else index.family(name)
    except (ImportError, AttributeError, TypedVisionError) as error:
        raise pytest.UsageError(f"--family {name}: {error}") from None
    for family in registered.values():
        if family is found:
            return family
    raise pytest.UsageError(f"--family {name}: is no family")
