"""Load one checkpoint, and nothing else, and predict the test digits.

python predict.py model.safetensors logits.safetensors
"""

from __future__ import annotations

import sys

import digits
import torch
from safetensors.torch import save_file

from typedvision import load_model


def main(checkpoint: str, output: str) -> None:
    """Write the logits of the test digits to a file."""
    _, test, _, _ = digits.load()
    model = load_model(checkpoint).eval()
    with torch.inference_mode():
        logits = model(digits.prepare(test, model.spec.image))
    save_file({"logits": logits}, output)


if __name__ == "__main__":
    main(*sys.argv[1:])
