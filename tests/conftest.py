"""What every test shares."""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.figures import Figures, table

if TYPE_CHECKING:
    from tests.ranks import Ranks

CONTRACT = Path(__file__).parent / "contract"
"""Its tests are kept together by family."""


@pytest.fixture(autouse=True, scope="module")
def working_directory() -> Iterator[None]:
    """The tests of a module leave the process in the folder where it was: others name files."""
    here = Path.cwd()
    yield
    assert Path.cwd() == here


@pytest.fixture
def registry() -> Iterator[None]:
    """Forgets, at the end of the test, the families that it declared."""
    from typedvision.registry import family, index

    yield
    for key in family.registered.keys() - index.rows().keys():
        del family.registered[key]
    index._plugins.cache_clear()
    family._weights_file.cache_clear()
    family._weights.cache_clear()


@pytest.fixture(scope="session")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    """Calls on both of two processes, which the tests of the group "processes" share."""
    from tests.ranks import started

    with started(tmp_path_factory.mktemp("group") / "store") as call:
        yield call


@pytest.fixture
def read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process takes seconds: conversions that are not about it read in this one."""
    from typedvision.weights.save import write_file
    from typedvision.weights.unpickle import read

    def unpickle(source: Path, draft: Path, *, ema: bool) -> None:
        write_file(draft, read(source, ema=ema), {})

    monkeypatch.setattr("typedvision.weights.convert._unpickle", unpickle)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Figures:
    """What a fuzz test counts, shown at the end of the run; its module names the `KIND`."""
    made = Figures(request.module.KIND)
    # A dictionary, because it may come from another process; the object's own, which still counts.
    request.node.user_properties.append(("figures", vars(made)))
    return made


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """Keep the tests of a file together: pytest-xdist takes milliseconds to hand out each group.

    Raises:
        UsageError: this pytest and this pytest-xdist part the tests of a group.
    """
    for item in items:
        if not item.get_closest_marker("xdist_group") and CONTRACT not in item.path.parents:
            item.add_marker(pytest.mark.xdist_group(item.location[0]))
    yield
    if getattr(config.option, "loadgroup", False):  # in a worker
        for item in items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError(f"the group of {item.nodeid} is not kept together")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives as long as the run, half a million objects, and let it
    look at the rest less often: models are freed without it."""
    import torch  # not above: the process that hands out the tests has no use for it

    torch.set_num_threads(1)  # the models are small: threads only cost
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show the figures of the fuzz tests, if any were run."""
    found = [
        Figures(**value)
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for name, value in report.user_properties
        if name == "figures"
    ]
    if found:
        terminalreporter.section("fuzz")
        terminalreporter.write_line("\n".join(table(found)))
