"""Draws what an editor shows while a model's call is written, from what pyright answers.

    python -m tools.completion

writes `docs/completion.svg`: the completion of an option's name, its description, and the error at
a misspelt one. The library is installed as a wheel into a fresh environment for it.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import Any

from tools.language_server import LanguageServer
from tools.user_environment import ROOT, user_environment

TARGET = ROOT / "docs" / "completion.svg"
WRONG = "net = models.resnet50(num_clases=10)"
WRITTEN = "net = models.resnet50(stem_|)"
IMPORT = "from typedvision import models"

_LETTER, _LINE, _LEFT, _TOP = 8.4, 24, 24, 40  # pixels, of a monospaced font of 14 pixels
_DOCUMENTED = 58  # letters in a line of the description
_STYLE = """<style>
text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; white-space: pre }
.page { fill: #ffffff; stroke: #d1d9e0 } .box { fill: #f6f8fa; stroke: #d1d9e0 }
.chosen { fill: #b6d4f5 } .wrong { stroke: #d1242f; fill: none } .error { fill: #d1242f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.page { fill: #0d1117; stroke: #3d444d } .box { fill: #151b23; stroke: #3d444d }
.chosen { fill: #1d4469 } .wrong { stroke: #ff7b72 } .error { fill: #ff7b72 }
}
</style>"""


def draw(python: Path, folder: Path) -> str:
    """The SVG, for light and dark pages.

    Args:
        python: the interpreter of an environment that has the library.
        folder: an empty folder for the file that is edited.
    """
    before, _, after = WRITTEN.partition("|")
    with LanguageServer("pyright", folder, python) as server:
        server.write(f"{IMPORT}\n{before}{after}\n")
        found = server.ask("completion", 1, len(before))["items"]
        prefix = before.rpartition("(")[2]
        names = sorted(i["label"] for i in found if i["label"].startswith(prefix))
        chosen = before.removesuffix(prefix) + names[0]
        server.write(f"{IMPORT}\n{chosen}{after}\n")
        help_ = server.ask("signatureHelp", 1, len(chosen))
    signature: dict[str, Any] = help_["signatures"][help_["activeSignature"]]
    parameter = signature["parameters"][help_["activeParameter"]]
    described = [parameter["label"], *wrap(parameter["documentation"]["value"], _DOCUMENTED)]
    (folder / "wrong.py").write_text(f"{IMPORT}\n{WRONG}\n")
    return _svg(names, described, _error(python, folder / "wrong.py"))


def _error(python: Path, file: Path) -> str:
    """The first line of pyright's error in a file."""
    command = (Path(sys.executable).with_name("pyright"), f"--pythonpath={python}", "--outputjson")
    # It exits with 1, as it should: the file is wrong.
    done = subprocess.run(
        [*command, file.name], cwd=file.parent, capture_output=True, text=True, check=False
    )
    (error,) = json.loads(done.stdout)["generalDiagnostics"]
    message: str = error["message"]
    return message.splitlines()[0]


def _svg(names: Sequence[str], described: Sequence[str], error: str) -> str:
    written = WRITTEN.replace("|", "")
    at = WRONG.index("(") + 1
    word = WRONG[at:].partition("=")[0]
    marks = [_text(0, 0, IMPORT), _text(0, 1, WRONG), _squiggle(at, len(word))]
    marks += [_text(at, 2, error, "error"), _text(0, 3, written)]
    column, rows = WRITTEN.index("("), max(len(names), len(described))
    width = max(map(len, names)) + 2
    marks.append(_box(column, width, len(names), "box"))
    marks.append(_box(column, width, 1, "chosen"))
    marks.append(_box(column + width, _DOCUMENTED + 2, len(described), "box"))
    marks += [_text(column + 1, 4 + row, name) for row, name in enumerate(names)]
    marks += [_text(column + width + 1, 4 + row, line) for row, line in enumerate(described)]
    wide = 2 * _LEFT + (column + width + _DOCUMENTED + 2) * _LETTER
    high = _TOP + (4 + rows) * _LINE
    size = f'width="{wide:.0f}" height="{high:.0f}" viewBox="0 0 {wide:.0f} {high:.0f}"'
    title = "An editor completes the options of models.resnet50 and marks a misspelt one"
    inner = f'width="{wide - 1:.0f}" height="{high - 1:.0f}"'
    page = f'<rect class="page" x="0.5" y="0.5" {inner} rx="6"/>'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>']
    return "\n".join([*parts, f"<title>{title}</title>", _STYLE, page, *marks, "</svg>", ""])


def _text(column: int, line: int, text: str, kind: str = "code") -> str:
    x, y = _LEFT + column * _LETTER, _TOP + line * _LINE
    length = f'textLength="{len(text) * _LETTER:.1f}"'
    return f'<text class="{kind}" x="{x:.1f}" y="{y}" {length}>{escape(text)}</text>'


def _box(column: int, letters: int, lines: int, kind: str) -> str:
    x, y = _LEFT + column * _LETTER, _TOP + 4 * _LINE - 17
    size = f'width="{letters * _LETTER:.1f}" height="{lines * _LINE}"'
    return f'<rect class="{kind}" x="{x:.1f}" y="{y}" {size}/>'


def _squiggle(column: int, letters: int) -> str:
    x, y = _LEFT + column * _LETTER, _TOP + _LINE + 5
    waves = " ".join("q 2 -4 4 0 t 4 0" for _ in range(round(letters * _LETTER / 8)))
    return f'<path class="wrong" d="M {x:.1f} {y} {waves}"/>'


def main() -> None:
    """Write the file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "project").mkdir()
        TARGET.write_text(draw(user_environment(place / "environment"), place / "project"))


if __name__ == "__main__":
    main()
