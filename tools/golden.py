"""The golden facts: what timm says of each model, kept here so that tests need no timm.

    python -m tools.golden --timm PYTHON CONTRACTS [FAMILY ...]

writes `tests/golden/FAMILY.jsonl`, one line for each variant, the smallest first. CONTRACTS is a
folder of JSON-lines files that timm's side of the parity check wrote; PYTHON is an interpreter
that has timm. A few small variants carry numbers, and the smallest its initial spread.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from typedvision.registry import index

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
STRUCTURE = ("name", "params", "state", "num_features", "head_hidden_size")
NUMBERS = ("input", "features", "logits")
WITH_NUMBERS = 6  # variants of a family: enough to see different paths, few enough to be quick
SEEDS = 8  # draws of each initial tensor, so that small ones have a spread too

Row = dict[str, object]

# Runs in timm's environment. Its import needs two operators that a CPU build does not have.
_SPREAD = """
import json, sys, warnings
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
warnings.filterwarnings("ignore")
import timm
draws = {}
for seed in range(int(sys.argv[2])):
    torch.manual_seed(seed)
    for key, tensor in timm.create_model(sys.argv[1]).state_dict().items():
        if tensor.is_floating_point():
            draws.setdefault(key, []).append(tensor.double().flatten())
all_of = {key: torch.cat(tensors) for key, tensors in draws.items()}
print(json.dumps({key: [t.mean().item(), t.std(correction=0).item()] for key, t in all_of.items()}))
"""


def contracts(folder: Path) -> dict[str, Row]:
    """The rows of every contract file, by the model's name."""
    lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.open()]
    rows: list[Row] = [json.loads(line) for line in lines]
    return {str(row["name"]): row for row in rows}


def facts(variants: list[str], rows: dict[str, Row], timm: str) -> list[Row]:
    """What the tests need to know of the variants of one family."""
    known = sorted((rows[name] for name in variants if name in rows), key=_params)
    numbered = [row for row in known if "logits" in row][:WITH_NUMBERS]
    found = []
    for row in known:
        levels = row["feature_info"]
        assert isinstance(levels, list)
        fact = {key: row[key] for key in STRUCTURE}
        fact["levels"] = [
            [level["num_chs"], level["reduction"], level["module"]] for level in levels
        ]
        if row in numbered:
            fact |= {key: row[key] for key in NUMBERS}
        if row in numbered[:1]:
            fact["spread"] = spread(str(row["name"]), timm)
        found.append(fact)
    return found


def spread(name: str, timm: str) -> object:
    """Mean and standard deviation of each tensor that timm has just initialised."""
    command = [timm, "-c", _SPREAD, name, str(SEEDS)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def rounded(value: object) -> object:
    """The value with ten significant digits in each float."""
    if isinstance(value, float):
        return float(f"{value:.10g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def _params(row: Row) -> int:
    return int(str(row["params"]))


def main() -> None:
    """Write the facts of the families that are named, or of all."""
    parser = argparse.ArgumentParser(prog="python -m tools.golden", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("contracts", type=Path)
    parser.add_argument("families", nargs="*", metavar="FAMILY")
    parser.add_argument("--timm", required=True, metavar="PYTHON")
    arguments = parser.parse_intermixed_args()
    rows = contracts(arguments.contracts)
    for key in arguments.families or index.family_keys():
        found = facts(sorted(index.family(key).variants), rows, arguments.timm)
        path = GOLDEN / f"{key}.jsonl"
        path.write_text("".join(f"{json.dumps(rounded(fact))}\n" for fact in found), "utf-8")
        print(
            f"{path.relative_to(Path.cwd())}: {len(found)} of {len(index.variants(key))} variants"
        )


if __name__ == "__main__":
    main()
