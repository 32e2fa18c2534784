"""How fast and how exact an editor is on a user's file, and how fast the type checkers are.

    python -m benchmarks.editor [--server pyright] [--runs 9] [--calls 500]

An editor asks a language server after an edit; the time is the median from the edit to the answer.
Exact means: every right name or option is offered, and how many others are.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from benchmarks.language_server import LanguageServer
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


class Question(NamedTuple):
    """What an editor asks while a line is written; `|` in the line is the cursor."""

    title: str
    what: str
    line: str


QUESTIONS = (
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
    parser.add_argument("--server", default="pyright", choices=("pyright", "basedpyright"))
    parser.add_argument("--runs", type=int, default=9, help="edits for each question")
    parser.add_argument("--calls", type=int, default=500, help="calls in the user's file")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        python = user_environment(folder / "environment")
        project = folder / "project"
        project.mkdir()
        print(f"{len(list_models())} names; {arguments.server}, median of {arguments.runs} edits")
        for title, time_taken, answer in answers(arguments.server, project, python, arguments.runs):
            print(f"  {title:34} {time_taken:>7} ms  {answer}")
        print(f"a file with {arguments.calls} calls, typed and untyped")
        for title, typed, untyped in checks(project, python, arguments.calls):
            print(f"  {title:34} {typed:>7.1f} s {untyped:>7.1f} s")


def answers(server: str, project: Path, python: Path, runs: int) -> Iterator[tuple[str, int, str]]:
    """Each question with the median time of its answer in milliseconds, and what was answered."""
    settings = {"python": {"pythonPath": str(python)}}
    command = [str(BIN / f"{server}-langserver"), "--stdio"]
    with LanguageServer(command, project, settings) as editor:
        for title, what, marked in QUESTIONS:
            before, _, after = marked.partition("|")
            times = []
            for edit in range(runs + 1):
                editor.write(f"{IMPORTS}edit = {edit}\n{before}{after}\n")
                start = time.perf_counter()
                answer = editor.ask(what, 2, len(before))
                times.append(time.perf_counter() - start)
            # The first answer after a start or after another question reads files.
            yield title, round(1000 * median(times[1:])), described(title, what, answer)


def described(title: str, what: str, answer: Any) -> str:
    """What an answer says, beside what it should say."""
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


def checks(project: Path, python: Path, calls: int) -> Iterator[tuple[str, float, float]]:
    """Seconds that each checker takes on the typed and on the untyped file."""
    (project / "untyped.py").write_text(UNTYPED)
    typed, untyped = project / "typed_calls.py", project / "untyped_calls.py"
    lines = list(itertools.islice(_calls(), calls))
    typed.write_text(IMPORTS + "".join(f"models.{name}({options})\n" for name, options in lines))
    head = "from untyped import create_model\n"
    untyped.write_text(
        head + "".join(f'create_model("{name}", {options})\n' for name, options in lines)
    )
    cache = project / "cache"
    mypy = (BIN / "mypy", f"--python-executable={python}", f"--cache-dir={cache}")

    def cold(file: Path) -> float:
        shutil.rmtree(cache, ignore_errors=True)
        return _seconds(lambda: run(*mypy, file, cwd=project))

    def warm(file: Path) -> float:
        run(*mypy, file, cwd=project)
        times = []
        for edit in range(3):
            file.write_text(
                f"{file.read_text()}edit = {edit}\n".replace(f"edit = {edit - 1}\n", "")
            )
            times.append(_seconds(lambda: run(*mypy, file, cwd=project)))
        return median(times)

    def pyright(file: Path) -> float:
        command = (BIN / "pyright", f"--pythonpath={python}", file)
        return median(_seconds(lambda: run(*command, cwd=project)) for _ in range(3))

    for title, measure in (("mypy, cold", cold), ("mypy, warm", warm), ("pyright", pyright)):
        yield title, measure(typed), measure(untyped)


def _calls() -> Iterator[tuple[str, str]]:
    """Endless calls with options that each model has."""
    for classes in itertools.count(1):
        for name in list_models():
            option = "drop_path_rate=0.1" if accepts(name, "drop_path_rate") else "drop_rate=0.1"
            yield name, f"num_classes={classes}, in_chans=1, seed=0, {option}"


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
