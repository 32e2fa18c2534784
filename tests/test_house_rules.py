"""The house rules hold here, and each of them can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.house_rules import RULES, check, main

ROOT = Path(__file__).parents[1]

FAMILY = {
    "__init__.py": "",
    "config.py": "from typedvision.config.base import ModelConfig\n",
    "family.py": (
        "from .config import NetConfig\n"
        "_NET10 = NetConfig(depth=(1, 2))\n"
        "class NetFamily:\n"
        "    variants = {'a': NetConfig(), 'b': _NET10, 'c': _NET10.replace(depth=(2, -1))}\n"
        "    def build(cls, cfg):\n"
        "        from .model import Net\n"
        "        return Net(cfg)\n"
    ),
    "model.py": "import torch\nfrom typedvision.layers.norm import Norm\nfrom . import config\n",
    "convert.py": "from safetensors.torch import save_file\n",
    "weights.json": "{}",
}
CLEAN = {
    "__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n",
    "errors.py": "import json\n",
    "config/base.py": "import pydantic\nfrom typedvision import errors\n",
    "config/bounds.py": "import typedvision.config.base\n",
    "registry/index.py": "PATH = 'typedvision.families'\ndef load():\n    import torch\n",
    "layers/norm.py": "from torch import nn\n",
    "weights/fetch.py": "from typing import Any\n# Any: JSON\ndef fetch(x: Any): ...\n",
    "factory.py": "from typedvision.weights.fetch import fetch\nfrom .registry import index\n",
    **{f"families/net/{name}": text for name, text in FAMILY.items()},
    **{f"families/other/{name}": text for name, text in FAMILY.items()},
}

BASE = "_B = A(x=2)\n"
"""A config that rows may be made of."""
MODELS = """from typedvision.architecture.image_model import ImageModel
class Net(ImageModel): ...
class Wider(Net): ...
"""

# One entry for each way to break a rule: the rule, the file, what it holds, the line found.
BROKEN = [
    ("wall", "config/base.py", "import json\nimport torch", 2),
    ("wall", "registry/index.py", "from torch import nn", 1),
    ("wall", "weights/fetch.py", "try:\n    from safetensors import torch\nfinally: ...", 2),
    ("wall", "factory.py", "from .layers.norm import Norm", 1),
    ("wall", "cli/show.py", "from typedvision.weights import load", 1),
    ("wall", "families/net/family.py", "from . import model\nvariants = {}", 1),
    ("wall", "config/base.py", "if not TYPE_CHECKING:\n    import torch", 2),
    ("wall", "config/base.py", "if TYPE_CHECKING: ...\nelse:\n    import torch", 3),
    ("levels", "errors.py", "import typedvision.config.base", 1),
    ("levels", "config/base.py", "from ..registry.index import load", 1),
    ("levels", "layers/norm.py", "from typedvision.families import net", 1),
    ("levels", "factory.py", "class A:\n    from typedvision.cli import main", 2),
    ("levels", "cli/show.py", "from typedvision import create_model", 1),
    ("levels", "helpers.py", "", 1),
    ("family-reach", "families/net/config.py", "import typedvision.registry.index", 1),
    ("family-reach", "families/net/model.py", "from .family import NetFamily", 1),
    ("family-reach", "families/net/model.py", "from typedvision.registry.index import load", 1),
    ("no-family-named", "factory.py", "def f():\n    from .families.net import family", 2),
    ("no-family-named", "factory.py", "if TYPE_CHECKING:\n    import typedvision.families.net", 2),
    ("no-family-named", "factory.py", "path = 'typedvision.families.net.model'", 1),
    ("no-family-named", "layers/norm.py", "def f(key): return key == 'net'", 1),
    ("families-apart", "families/net/model.py", "from ..other.model import Block", 1),
    (
        "families-apart",
        "families/net/model.py",
        "def f():\n    import typedvision.families.other",
        2,
    ),
    ("no-forbidden-import", "layers/norm.py", "def f():\n    from timm.layers import DropPath", 2),
    ("no-forbidden-import", "preprocess/crop.py", "if TYPE_CHECKING:\n    import torchvision", 2),
    ("no-forbidden-import", "cli/new.py", "import tools.new_family", 1),
    ("light-import", "__init__.py", "import pydantic", 1),
    ("light-import", "errors.py", "from pydantic import BaseModel", 1),
    ("ascii-only", "errors.py", "import json\n# caf\u00e9", 2),
    ("family-folder", "families/net/blocks.py", "", 1),
    ("family-folder", "families/flat.py", "", 1),
    ("any-has-reason", "factory.py", "def make(x, **options: Any): ...", 1),
    (
        "any-has-reason",
        "factory.py",
        "class A:\n    def __call__(self) -> dict[str, t.Any]: ...",
        2,
    ),
    ("rows-are-literal", "families/net/family.py", "rows = 1", 1),
    ("rows-are-literal", "families/net/family.py", "variants = {n: A() for n in 'ab'}", 1),
    ("rows-are-literal", "families/net/family.py", "variants = {'a': A(), **more}", 1),
    ("rows-are-literal", "families/net/family.py", "variants: X = {'a': A()}\nbest = 'a'", 2),
    ("rows-are-literal", "families/net/family.py", "variants = {\n 'a': make()}", 2),
    ("rows-are-literal", "families/net/family.py", "variants = {\n 'a': A(**more)}", 2),
    ("rows-are-literal", "families/net/family.py", "variants = {\n 'a': _B.replace(x=1)}", 2),
    ("rows-are-literal", "families/net/family.py", f"{BASE}variants = {{'a': _B.replace(1)}}", 2),
    ("rows-are-literal", "families/net/family.py", f"{BASE}variants = {{'a': _B.replace(x=n)}}", 2),
    (
        "rows-are-literal",
        "families/net/family.py",
        f"{BASE}variants = {{'a': _B.replace(**more)}}",
        2,
    ),
    (
        "rows-are-literal",
        "families/net/family.py",
        f"{BASE}_C = _B.replace(x=1)\nvariants = {{'a': _C}}",
        3,
    ),
    ("no-circles", "config/base.py", "def f():\n    from typedvision.config import bounds", 2),
    ("models-are-final", "families/net/model.py", MODELS, 3),
]


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / "src" / "typedvision" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root


def test_this_repository_keeps_every_rule() -> None:
    assert check(ROOT) == []


def test_a_clean_tree_has_no_violation(tmp_path: Path) -> None:
    assert check(write(tmp_path, CLEAN)) == []


@pytest.mark.parametrize(("rule", "name", "text", "line"), BROKEN)
def test_a_rule_can_fail(tmp_path: Path, rule: str, name: str, text: str, line: int) -> None:
    violations = check(write(tmp_path, {**CLEAN, name: text}))
    start = f"src/typedvision/{name}:{line}: {rule}: "
    assert any(violation.startswith(start) for violation in violations), violations
    assert all("; instead: " in violation for violation in violations)


def test_a_family_has_all_its_files(tmp_path: Path) -> None:
    (write(tmp_path, CLEAN) / "src/typedvision/families/net/weights.json").unlink()
    (violation,) = check(tmp_path)
    start = "src/typedvision/families/net/weights.json:1: family-folder: is missing; "
    assert violation.startswith(start)


def test_every_rule_is_seen_to_fail() -> None:
    assert {rule for rule, *_ in BROKEN} == {f.__name__.replace("_", "-") for f in RULES}


def test_the_command_says_what_is_wrong_by_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(write(tmp_path, CLEAN))]) == 0
    assert main([str(write(tmp_path, {"errors.py": "import torch"}))]) == 1
    assert "errors.py:1: wall: a torch-free module loads torch" in capsys.readouterr().out


def test_a_check_of_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no Python file"):
        check(tmp_path)
