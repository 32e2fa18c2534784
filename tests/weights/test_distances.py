"""Tables of distances follow the window or the map: the numbers are what timm 1.0.31 makes of
`wave`, at the first two places and at the last of each table."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import typedvision as tv
from typedvision.errors import WeightsError

TINY_VIT = {"embed_dims": (8, 8, 8, 8), "depths": (1, 1, 1, 1), "num_heads": (1, 2, 2, 2)}
EFFICIENTVIT = {"embed_dim": (16, 16, 16), "key_dim": (4, 4, 4), "depth": (1, 1, 1)}
MVIT = {"depths": (1, 1), "embed_dim": (8, 16), "num_heads": (1, 1)}

CASES = {
    "tiny_vit_5m_224": (
        {**TINY_VIT, "window_sizes": (7, 7, 14, 7)},
        {**TINY_VIT, "window_sizes": (7, 8, 12, 5)},
        {
            "stages.1.blocks.0.attn.attention_biases": (
                "window 7x7 -> 8x8",
                (0.313543, 0.784752, -0.822555),
            ),
            "stages.2.blocks.0.attn.attention_biases": (
                "window 14x14 -> 12x12",
                (0.171508, 0.600932, -0.465712),
            ),
            "stages.3.blocks.0.attn.attention_biases": (
                "window 7x7 -> 5x5",
                (0.089787, 0.745286, -0.569589),
            ),
        },
    ),
    "efficientvit_m0": (
        {**EFFICIENTVIT, "img_size": 128},
        {**EFFICIENTVIT, "img_size": 224},
        {
            "stages.1.blocks.0.mixer.m.attn.attention_biases": (
                "window 4x4 -> 7x7",
                (0.264808, 0.502012, 0.554994),
            ),
            "stages.2.blocks.0.mixer.m.attn.attention_biases": (
                "window 2x2 -> 4x4",
                (0.179211, 0.362943, -1.098877),
            ),
        },
    ),
    "mvitv2_tiny": (
        {**MVIT, "img_size": 128},
        {**MVIT, "img_size": 64},
        {
            f"stages.{level}.blocks.0.attn.rel_pos_{axis}": (text, numbers)
            for level, text, numbers in (
                (0, "distances along an axis 63 -> 31", (-0.049975, 0.567959, 0.734992)),
                (1, "distances along an axis 31 -> 15", (-0.328998, 0.201631, 0.717966)),
            )
            for axis in "hw"
        },
    ),
}


def wave(like: Tensor) -> Tensor:
    """Numbers of no symmetry that anyone can make."""
    steps = torch.arange(math.prod(like.shape), dtype=torch.float64)
    return torch.sin(steps * 0.7 + 0.3).float().reshape(like.shape)


def waves(name: str, options: dict[str, object]) -> dict[str, Tensor]:
    """The tensors of a model, those with a fraction replaced."""
    state = tv.create_model(name, **options, num_classes=3).state_dict()
    return {key: wave(t) if t.is_floating_point() else t for key, t in state.items()}


@pytest.mark.parametrize("name", CASES)
def test_as_timm(tmp_path: Path, name: str) -> None:
    old, new, tables = CASES[name]
    path = tmp_path / "old.safetensors"
    save_file(waves(name, old), path)
    model = tv.create_model(name, **new, num_classes=3, checkpoint_path=path)
    assert model.load_report is not None
    assert model.load_report.adapted == {key: text for key, (text, _) in tables.items()}
    for key, (_, numbers) in tables.items():
        found = model.get_parameter(key).detach().flatten()[[0, 1, -1]]
        torch.testing.assert_close(found, torch.tensor(numbers), rtol=1e-5, atol=3e-6)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("tiny_vit_5m_224", (2, 48)),
        ("tiny_vit_5m_224", (3, 64)),
        ("tiny_vit_5m_224", (2, 0)),
        ("mvitv2_tiny", (30, 8)),
        ("mvitv2_tiny", (31, 9)),
    ],
)
def test_a_table_of_another_kind_is_an_error(
    tmp_path: Path, name: str, shape: tuple[int, int]
) -> None:
    old, _, tables = CASES[name]
    key, path = next(iter(tables)), tmp_path / "broken.safetensors"
    save_file(waves(name, old) | {key: torch.zeros(shape)}, path)
    with pytest.raises(WeightsError) as caught:
        tv.create_model(name, **old, num_classes=3, checkpoint_path=path)
    assert [problem.path for problem in caught.value.problems] == [(key,)]
