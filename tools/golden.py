"""The golden facts: what timm says of each model, kept here so that tests need no timm.

    python -m tools.golden --timm PYTHON CONTRACTS [FAMILY ...]

writes `tests/golden/FAMILY.jsonl`, one line for each variant, the smallest first. CONTRACTS is a
folder of JSON-lines files that timm's side of the parity check wrote; PYTHON is an interpreter
that has timm. A few small variants carry numbers; the smallest its initial spread, its
feature levels, and the learning rates and weight decays of its parameters.
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

# These run in timm's environment. Its import needs two operators that a CPU build does not have.
_TIMM = """
import json, sys, warnings
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
warnings.filterwarnings("ignore")
import timm
"""
_SPREAD = """
torch.set_default_dtype(torch.float64)  # in float32, one truncated normal in 2**24 is at its bound
draws = {}
for seed in range(int(sys.argv[2])):
    torch.manual_seed(seed)
    for key, tensor in timm.create_model(sys.argv[1]).state_dict().items():
        if tensor.is_floating_point():
            draws.setdefault(key, []).append(tensor.double().flatten())
all_of = {key: torch.cat(tensors) for key, tensors in draws.items()}
print(json.dumps({key: [t.mean().item(), t.std(correction=0).item()] for key, t in all_of.items()}))
"""
_RATES = """
from timm.optim import param_groups_layer_decay
model = timm.create_model(sys.argv[1])
keys = {id(parameter): key for key, parameter in model.named_parameters()}
skip = model.no_weight_decay() if hasattr(model, "no_weight_decay") else ()
groups = param_groups_layer_decay(model, 1.0, skip, layer_decay=0.5)
rates = {id(p): [g["lr_scale"], g["weight_decay"]] for g in groups for p in g["params"]}
print(json.dumps({keys[parameter]: rate for parameter, rate in rates.items()}))
"""
_PYRAMID = """
from tests.contract.filling import fill, fingerprint, image
torch.set_default_dtype(torch.float64)
def plain(key):  # the peer renames what it wraps
    return key.removeprefix("model.").replace("_", ".")
model = timm.create_model(sys.argv[1])
levels = tuple(range(len(model.feature_info)))
fill(model)
tensors = {plain(key): tensor for key, tensor in model.state_dict().items()}
pyramid = timm.create_model(sys.argv[1], features_only=True, out_indices=levels).eval()
with torch.inference_mode():
    for key, tensor in pyramid.state_dict().items():
        tensor.copy_(tensors[plain(key)])
    outputs = pyramid(image(json.loads(sys.argv[2])))
if getattr(pyramid, "output_fmt", "NCHW") == "NHWC":
    outputs = [output.permute(0, 3, 1, 2) for output in outputs]
print(json.dumps([fingerprint(output) for output in outputs]))
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
            name, size = str(row["name"]), json.dumps(row["input"])
            fact["spread"] = asked(timm, _SPREAD, name, str(SEEDS))
            fact["rates"] = asked(timm, _RATES, name)
            if fact["levels"]:
                fact["pyramid"] = asked(timm, _PYRAMID, name, size)
        found.append(fact)
    return found


def asked(timm: str, script: str, *arguments: str) -> object:
    """What a script prints in timm's environment."""
    command = [timm, "-c", _TIMM + script, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=GOLDEN.parents[1])
    return json.loads(done.stdout)


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
