"""The golden facts: what timm says of each model, kept here so that tests need no timm.

    python -m tools.golden --timm PYTHON CONTRACTS [FAMILY ...]

writes `tests/golden/FAMILY.jsonl`: the cases, then one line for each variant, the smallest first.
CONTRACTS is a folder of JSON-lines files that timm's side of the parity check wrote; PYTHON is an
interpreter that has timm.

A case is a variant with options that make it small, and the numbers that it computes. Together
the cases of a family make every choice that its variants make. The first one tells more: its
initial spread, its feature levels' outputs, and the rates of its parameters.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import torch

import typedvision as tv
from tests.contract.filling import state_digest
from tools.choices import cover
from tools.shrink import Options, shrunk
from typedvision.config.base import to_pair
from typedvision.registry import index

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
STRUCTURE = ("name", "params", "state", "num_features", "head_hidden_size")
DRAWN = 5_000_000
"""Initial numbers to draw, all seeds together."""
SIZES = ((64, 96), (128, 192), (224, 224), (256, 256))
"""Height and width of images for models that take any: the first that timm computes."""

Row = dict[str, Any]


class Peer:
    """timm, in an interpreter of its own."""

    def __init__(self, python: str) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "tools.peer"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def ask(self, what: str, name: str, options: Options, **more: object) -> Any:
        """What timm answers, or `{"error": ...}`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        question = {"ask": what, "name": name, "options": options, **more}
        print(json.dumps(question), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())

    def tell(self, what: str, name: str, options: Options, **more: object) -> Any:
        """What timm answers; it must.

        Raises:
            SystemExit: timm does not.
        """
        answer = self.ask(what, name, options, **more)
        if "error" in answer:
            raise SystemExit(f"{name} {options}: {answer['error']}")
        return answer


def contracts(folder: Path) -> dict[str, Row]:
    """The rows of every contract file, by the model's name."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.open()]
    rows: list[Row] = [json.loads(line) for line in lines]
    return {str(row["name"]): row for row in rows}


def facts(key: str, rows: dict[str, Row], peer: Peer) -> list[Row]:
    """What the tests need to know of one family: its cases, then its variants."""
    family = index.family(key)
    known = {name: family.variants[name] for name in family.variants if name in rows}
    costs = {name: int(rows[name]["params"]) for name in known}
    cases = [case(name, rows[name], peer) for name in cover(known, costs)]
    first, levels = cases[0], rows[cases[0]["case"]]["feature_info"]
    name, options = first["case"], first["options"]
    first["spread"] = peer.tell("spread", name, options, seeds=draws(first["params"]))
    if rates := peer.tell("rates", name, options):
        first["rates"] = rates
    if levels:
        size, gain = first["input"], first["gain"]
        first["pyramid"] = peer.tell("pyramid", name, options, size=size, gain=gain)
    return cases + [variant(rows[name], peer) for name in sorted(known, key=costs.__getitem__)]


def draws(params: int) -> int:
    """How often initial weights are drawn: often where there are few of them."""
    return max(2, min(16, DRAWN // params))


def variant(row: Row, peer: Peer) -> Row:
    """The structure of a variant."""
    fact = {key: row[key] for key in STRUCTURE}
    fact["order"] = peer.tell("structure", row["name"], {})["order"]
    levels = row["feature_info"]
    fact["levels"] = [
        [level["num_chs"], level["reduction"], level["module"]]
        for level in levels
        if level["module"]
    ]
    return fact


def case(name: str, row: Row, peer: Peer) -> Row:
    """A variant made small, and what it computes."""

    def agrees(options: Options) -> bool:
        try:
            model = tv.create_model(tv.specify(name, **options), device="meta")
        except (RuntimeError, ValueError) as error:
            print(f"  {name} {options}: accepted, but not built: {error}", flush=True)
            return False
        return bool(peer.ask("structure", name, options).get("state") == state_digest(model))

    options, config = shrunk(name, agrees)
    fixed = config.input_size()
    sizes = (
        [to_pair(fixed)] if fixed else [*SIZES, tuple(row["input"][1:] if "input" in row else ())]
    )
    numbers: Row = {}
    for size in filter(None, sizes):
        numbers = peer.ask("numbers", name, options, size=[config.in_chans, *size])
        if "error" not in numbers:
            break
    else:
        raise SystemExit(f"{name} {options}: {numbers['error']}")
    own = _features(name, options, numbers["input"])
    if len(own) == 2:  # it pools several outputs for a classifier each
        numbers = peer.tell("numbers", name, options, size=numbers["input"], pooled=True)
    told = numbers["features"]["shape"]
    if len(own) == 4 and told == [own[0], own[1] * own[2], own[3]]:  # a map as tokens, row by row
        numbers["features"]["shape"] = own
    sensitivity = numbers.pop("sensitivity")
    params = peer.tell("structure", name, options)["params"]
    print(
        f"  {name}: {params} parameters at {numbers['input']}, gain {numbers['gain']}, "
        f"sensitivity {sensitivity:.3f}",
        flush=True,
    )
    return {"case": name, "options": options, "params": params, **numbers}


def _features(name: str, options: Options, size: list[int]) -> list[int]:
    """The shape of a model's features."""
    model = tv.create_model(tv.specify(name, **options), device="meta").eval()
    return list(model.forward_features(torch.empty(1, *size, device="meta")).shape)


def rounded(value: object) -> object:
    """The value with ten significant digits in each float."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    """Write the facts of the families that are named, or of all."""
    parser = argparse.ArgumentParser(prog="python -m tools.golden", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("contracts", type=Path)
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument("--timm", required=True, metavar="PYTHON")
    arguments = parser.parse_intermixed_args()
    rows, peer = contracts(arguments.contracts), Peer(arguments.timm)
    for key in arguments.families or index.family_keys():
        found = facts(key, rows, peer)
        path = GOLDEN / f"{key}.jsonl"
        path.write_text("".join(f"{json.dumps(rounded(fact))}\n" for fact in found), "utf-8")
        count = sum("name" in fact for fact in found)
        print(
            f"tests/golden/{path.name}: {count} of {len(index.variants(key))} variants, "
            f"{len(found) - count} cases",
            flush=True,
        )


if __name__ == "__main__":
    main()
