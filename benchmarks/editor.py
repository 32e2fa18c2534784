"""How fast and how exact an editor is on a user's file, and how fast the type checkers are.

    python -m benchmarks.editor [--server pyright] [--runs 9] [--calls 500] [--timm PYTHON]

An editor asks a language server after an edit; the time is the median from the edit to the answer.
Exact means: every right name or option is offered, and how many others are. Beside each time stands
that of the processor, which another program's load changes little; on an idle machine both agree.

The type checkers read the same calls, written in each way: typed, of a factory that takes
`**options: Any` and imports torch alone, and of timm's, which `PYTHON` has.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from tools.language_server import COMMANDS, LanguageServer
from tools.user_environment import run, user_environment
from typedvision import accepts, create_model, family, list_models
from typedvision.stubs.options import keywords

BIN = Path(sys.executable).parent
IMPORTS = "from typedvision import create_model, models\n"
MODEL = "resnet50"
UNTYPED = """from typing import Any

from torch import nn


def create_model(name: str, **options: Any) -> nn.Module:
    raise NotImplementedError
"""


class Cost(NamedTuple):
    """How long something takes, in seconds."""

    time: float
    processor: float


class Question(NamedTuple):
    """What an editor asks while a line is written; `|` in the line is the cursor."""

    title: str
    what: str
    line: str


QUESTIONS = (
    Question("neither: a builtin's options", "completion", "sorted(|"),
    Question("models: names", "completion", "models.|"),
    Question("models: options", "completion", f"models.{MODEL}(|"),
    Question("models: hover on a name", "hover", "models.resn|et50()"),
    Question("models: hover on an option", "hover", f"models.{MODEL}(lay|ers=(1, 1, 1, 1))"),
    Question("models: signature", "signatureHelp", f"models.{MODEL}(layers=|"),
    Question("create_model: names", "completion", 'create_model("|'),
    Question("create_model: options", "completion", f'create_model("{MODEL}", |'),
    Question(
        "create_model: hover on an option",
        "hover",
        f'create_model("{MODEL}", lay|ers=(1, 1, 1, 1))',
    ),
    Question("create_model: signature", "signatureHelp", f'create_model("{MODEL}", layers=|'),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.editor", description=__doc__)
    parser.add_argument("--server", default="pyright", choices=COMMANDS)
    parser.add_argument("--runs", type=int, default=9, help="edits for each question")
    parser.add_argument("--calls", type=int, default=500, help="calls in the user's file")
    parser.add_argument("--timm", metavar="PYTHON", help="an interpreter that has timm")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        python = user_environment(folder / "environment")
        project = folder / "project"
        project.mkdir()
        print(f"{len(list_models())} names; {arguments.server}, median of {arguments.runs} edits")
        print(f"  {'':34} {'ms':>6} {'processor':>9}")
        for title, cost, answer in answers(arguments.server, project, python, arguments.runs):
            print(f"  {title:34} {1000 * cost.time:6.0f} {1000 * cost.processor:9.0f}  {answer}")
        print(f"a file with {arguments.calls} calls: seconds, and those of the processor")
        ways = ways_to_call(project, python, arguments.calls, arguments.timm)
        print(f"  {'':12}", *(f"{title:>22}" for title in ways))
        for title, measure in CHECKERS.items():
            costs = [measure(file, interpreter) for file, interpreter in ways.values()]
            print(f"  {title:12}", *(f"{cost.time:14.2f}{cost.processor:8.2f}" for cost in costs))


def answers(server: str, project: Path, python: Path, runs: int) -> Iterator[tuple[str, Cost, str]]:
    """Each question with the median cost of its answer, and what was answered."""
    with LanguageServer(server, project, python) as editor:
        for title, what, marked in QUESTIONS:
            before, _, after = marked.partition("|")
            costs = []
            for edit in range(runs + 1):
                editor.write(f"{IMPORTS}edit = {edit}\n{before}{after}\n")
                start = Cost(time.perf_counter(), editor.processor_time())
                answer = editor.ask(what, 2, len(before))
                end = Cost(time.perf_counter(), editor.processor_time())
                costs.append(_between(start, end))
            # The first answer after a start or after another question reads files.
            yield title, _median(costs[1:]), described(title, what, answer)


def described(title: str, what: str, answer: Any) -> str:
    """What an answer says, beside what it should say."""
    if title.startswith("neither"):
        return "for comparison"
    if what == "completion":
        labels = {item["label"].strip("\"'") for item in answer["items"]}
        if title.endswith("names"):
            right = set(list_models())
            offered = {label for label in labels if not label.startswith("__")}
            offered = offered if title.startswith("models") else offered & right
        else:
            right = {f"{each.name}=" for each in keywords(create_model)}
            right |= {f"{name}=" for name in family(MODEL).config_type().model_fields}
            offered = {label for label in labels if label.endswith("=")} - {"model="}
        return f"{len(offered & right)} of {len(right)}, and {len(offered - right)} foreign"
    if what == "hover":
        text = answer["contents"]["value"] if answer else ""
        return " ".join(text.split())[:110]
    signatures = answer["signatures"]
    return f"{len(signatures)} signature(s)"


def ways_to_call(
    project: Path, python: Path, calls: int, timm: str | None
) -> dict[str, tuple[Path, str]]:
    """Each way to write the same calls: the file, and the interpreter that can import it."""
    (project / "untyped.py").write_text(UNTYPED)
    typed, by_name = "models.{}({})", 'create_model("{}", {})'
    ways = {
        "models.NAME": (IMPORTS, typed, str(python)),
        "create_model": (IMPORTS, by_name, str(python)),
        "**options: Any": ("from untyped import create_model\n", by_name, str(python)),
        "timm": ("from timm import create_model\n", by_name, timm),
    }
    files = {}
    for number, (title, (head, call, interpreter)) in enumerate(ways.items()):
        if interpreter:
            file = project / f"calls_{number}.py"
            rows = (call.format(*each) for each in itertools.islice(_calls(), calls))
            file.write_text(head + "\n".join(rows) + "\n")
            files[title] = file, interpreter
    return files


def _mypy(file: Path, python: str) -> Cost:
    cache = f"--cache-dir={file.parent / 'cache'}"
    return _cost(BIN / "mypy", f"--python-executable={python}", cache, file)


def mypy_cold(file: Path, python: str) -> Cost:
    """The median of what mypy takes without a cache."""
    costs = []
    for _ in range(3):
        shutil.rmtree(file.parent / "cache", ignore_errors=True)
        costs.append(_mypy(file, python))
    return _median(costs)


def mypy_warm(file: Path, python: str) -> Cost:
    """The median of what mypy takes after an edit, with the cache of the run before."""
    _mypy(file, python)
    costs = []
    for edit in range(3):
        with file.open("a") as text:
            text.write(f"edit = {edit}\n")
        costs.append(_mypy(file, python))
    return _median(costs)


def pyright(file: Path, python: str) -> Cost:
    """The median of what pyright takes, which keeps no cache."""
    return _median([_cost(BIN / "pyright", f"--pythonpath={python}", file) for _ in range(3)])


CHECKERS = {"mypy, cold": mypy_cold, "mypy, warm": mypy_warm, "pyright": pyright}


def _calls() -> Iterator[tuple[str, str]]:
    """Endless calls with options that each model has."""
    for classes in itertools.count(1):
        for name in list_models():
            option = "drop_path_rate=0.1" if accepts(name, "drop_path_rate") else "drop_rate=0.1"
            yield name, f"num_classes={classes}, in_chans=1, seed=0, {option}"


def _cost(program: Path, *arguments: str | Path) -> Cost:
    """What a checker takes for a file, the last argument, in which it finds no error."""
    start = _spent()
    run(program, *arguments, cwd=Path(arguments[-1]).parent)
    return _between(start, _spent())


def _spent() -> Cost:
    ended = os.times()
    return Cost(time.perf_counter(), ended.children_user + ended.children_system)


def _between(start: Cost, end: Cost) -> Cost:
    return Cost(end.time - start.time, end.processor - start.processor)


def _median(costs: Sequence[Cost]) -> Cost:
    return Cost(*map(median, zip(*costs, strict=True)))


if __name__ == "__main__":
    main()
