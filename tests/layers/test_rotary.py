"""Rotary embeddings: their phases by the formulas, and what they do to products."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tests.layers.fresh import fresh, randn
from typedvision.layers.rotary import (
    AxialRotaryEmbedding,
    CenteredRotaryEmbedding,
    CoordinateNoise,
    InterleavedRotaryEmbedding,
    MixedRotaryEmbedding,
    RotaryEmbedding,
    apply_rope,
    choose_patches,
)

GRID = (2, 3)
CELLS = [(y, x) for y in range(2) for x in range(3)]
LIKE = torch.zeros(1, dtype=torch.float64)
FREQUENCIES = [1.0, 0.1]
"""Of a head of eight features at a temperature of 100: two pairs for each axis."""


def rope_of(embedding: RotaryEmbedding, grid: tuple[int, int] = GRID) -> Tensor:
    rope: Tensor = fresh(embedding)(grid, LIKE)
    return rope.detach()


def rope_by(phases: Tensor) -> Tensor:
    return torch.stack((phases.double().cos(), phases.double().sin()))


def by_hand(positions: list[tuple[float, float]]) -> Tensor:
    rows = [[axis * speed for axis in position for speed in FREQUENCIES] for position in positions]
    return torch.tensor(rows, dtype=torch.float64)


def test_half_of_the_pairs_are_for_each_axis() -> None:
    torch.testing.assert_close(
        rope_of(AxialRotaryEmbedding(8, 100.0)), rope_by(by_hand([(y, x) for y, x in CELLS]))
    )
    torch.testing.assert_close(
        rope_of(AxialRotaryEmbedding(8, 100.0, columns_first=True)),
        rope_by(by_hand([(x, y) for y, x in CELLS])),
    )
    torch.testing.assert_close(
        rope_of(AxialRotaryEmbedding(8, 100.0, reference=(4, 6), offset=1.0)),
        rope_by(by_hand([(2.0 * (y + 1), 2.0 * (x + 1)) for y, x in CELLS])),
    )


def test_another_size_spans_the_same_phases() -> None:
    embedding = AxialRotaryEmbedding(8, 100.0, reference=(4, 4))
    small, large = (rope_of(embedding, (side, side)) for side in (4, 8))
    torch.testing.assert_close(small[:, 5], large[:, 2 * 8 + 2])


def test_a_centered_image_reaches_from_edge_to_edge() -> None:
    cells = [(y, x) for y in (-0.5, 0.5) for x in (-2 / 3, 0.0, 2 / 3)]
    torch.testing.assert_close(
        rope_of(CenteredRotaryEmbedding(8, 100.0)), rope_by(2 * math.pi * by_hand(cells))
    )
    moved = rope_of(CenteredRotaryEmbedding(8, 100.0, offset=0.5))
    first = rope_by(2 * math.pi * by_hand([(0.0, -1 / 3)]))
    torch.testing.assert_close(moved[:, :1], first)


def test_interleaved_pairs_alternate() -> None:
    embedding = InterleavedRotaryEmbedding(16, 100.0)
    assert embedding.axes == [0, 1, 2, 0, 1, 2, 0, 1]
    speeds = [100.0 ** (-i / 8) for i in range(8)]
    phases = [(0, 1, 2)[axis] * speed for axis, speed in zip(embedding.axes, speeds, strict=True)]
    torch.testing.assert_close(rope_of(embedding)[:, -1], rope_by(torch.tensor(phases).double()))


def test_a_section_limits_the_pairs_of_an_axis() -> None:
    assert InterleavedRotaryEmbedding(16, 100.0, section=(9, 1, 2)).axes == [0, 1, 2, 0, 0, 2, 0, 0]


def test_each_head_learns_its_own_frequencies() -> None:
    embedding = fresh(MixedRotaryEmbedding(8, 100.0, depth=2, num_heads=3))
    rope = embedding(GRID, LIKE)
    assert rope.shape == (2, 2, 3, 6, 4)
    phases = embedding.freqs[:, 1, 2].T @ torch.tensor([1.0, 2.0]).double()
    torch.testing.assert_close(rope[:, 1, 2, 5], rope_by(phases))
    along, across = embedding.freqs.detach().chunk(2, dim=-1)
    length = torch.tensor(FREQUENCIES, dtype=torch.float64).expand(2, 3, 2)
    torch.testing.assert_close(along.norm(dim=0), length, rtol=1e-6, atol=0.0)
    torch.testing.assert_close(across.norm(dim=0), length, rtol=1e-6, atol=0.0)
    assert (along * across).sum(0).abs().max() < 1e-6
    assert along[0, :, :, 0].std() > 0.1  # each head has a direction of its own


@pytest.mark.parametrize("halves", [False, True])
def test_pairs_are_multiplied_as_complex_numbers(halves: bool) -> None:
    x, phases = randn(2, 3, 7, 8), randn(6, 4, seed=1)
    found = apply_rope(x, rope_by(phases), halves=halves)
    torch.testing.assert_close(found[:, :, :1], x[:, :, :1])  # it has no position

    def as_complex(t: Tensor) -> Tensor:
        pairs = t[:, :, 1:]
        one, other = pairs.chunk(2, dim=-1) if halves else (pairs[..., 0::2], pairs[..., 1::2])
        return torch.complex(one, other)

    torch.testing.assert_close(as_complex(found), as_complex(x) * torch.exp(1j * phases))


def test_products_depend_on_distances_only() -> None:
    q, k = randn(1, 1, 1, 8), randn(1, 1, 1, 8, seed=1)
    rope = rope_of(AxialRotaryEmbedding(8, 100.0), (4, 5))
    q, k = (apply_rope(x.expand(1, 1, 20, 8), rope, halves=False) for x in (q, k))
    products = (q @ k.transpose(-1, -2)).reshape(4, 5, 4, 5)
    torch.testing.assert_close(products[0, 0, 1, 2], products[2, 1, 3, 3])


def test_half_precision_does_not_blur_far_positions() -> None:
    embedding = AxialRotaryEmbedding(8, 100.0)
    rope = embedding((1, 1_000), torch.zeros(1, dtype=torch.bfloat16))
    exact = rope_by(torch.arange(1_000.0)).bfloat16()
    assert rope.dtype == torch.bfloat16
    torch.testing.assert_close(rope[:, :, 2], exact)


@pytest.mark.parametrize("per_head", [False, True])
def test_patches_keep_their_embedding_where_others_are_left_out(per_head: bool) -> None:
    rope = randn(2, 2, 3, 6, 4) if per_head else randn(2, 6, 4)
    chosen = torch.tensor([[4, 0], [1, 5]])
    picked = choose_patches(rope, chosen)
    if per_head:
        assert picked.shape == (2, 2, 2, 3, 2, 4)
        torch.testing.assert_close(picked[:, 1, 0, :, 0], rope[:, 1, :, 4])
    else:
        assert picked.shape == (2, 2, 1, 2, 4)
        torch.testing.assert_close(picked[:, 1, 0, 1], rope[:, 5])


def test_noise_is_for_training() -> None:
    noise: nn.Module = CoordinateNoise(0.5, 2.0, 3.0)
    positions = torch.ones(1_000, 2)
    assert noise.eval()(positions) is positions
    torch.manual_seed(0)
    noise.train()
    draws = torch.stack([noise(positions)[0] for _ in range(500)])
    assert 0.5 / 6 <= draws.min() < 0.3
    assert 5.0 < draws.max() <= 1.5 * 6
    assert (draws[:, 0] != draws[:, 1]).all()


def test_noise_of_one_kind_alone() -> None:
    torch.manual_seed(0)
    positions = torch.tensor([[0.0, 0.0], [1.0, 2.0]])
    moved = CoordinateNoise(shift=0.5)(positions)
    torch.testing.assert_close(moved[1] - moved[0], positions[1])
    assert 0.0 < moved[0].abs().max() <= 0.5
    scaled = CoordinateNoise(rescale=2.0)(positions)
    torch.testing.assert_close(scaled[1, 1], 2 * scaled[1, 0])
    assert (scaled[0] == 0).all()
    stretched = CoordinateNoise(jitter=2.0)(positions)
    assert stretched[1, 1] != 2 * stretched[1, 0]
