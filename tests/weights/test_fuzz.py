"""Whatever the bytes are, the outcome is a model or one of our errors, soon and in little memory.

`FUZZ_CASES` says how many of each kind (`make fuzz`: 10,000).
"""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import typedvision as tv
from tests.figures import Figures
from typedvision.errors import TypedVisionError
from typedvision.weights.header import read_header
from typedvision.weights.inspect import inspect

CASES = int(os.environ.get("FUZZ_CASES", "150"))
KIND = "checkpoints"
SECONDS = 5.0  # for one case, on a busy machine

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
ROW = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "BF16", "BOOL", "I64", "F4", ""]) | JSON,
        "shape": st.lists(st.integers(-1, 5) | st.sampled_from([2**31, 2**63]), max_size=4) | JSON,
        "data_offsets": st.lists(st.integers(-1, 64), min_size=2, max_size=2) | JSON,
    }
)
HEADER = st.dictionaries(st.text(max_size=6), ROW | JSON, max_size=4) | JSON


@given(header=HEADER, data=st.binary(max_size=64), shift=st.integers(-3, 3))
@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_headers(tmp_path: Path, figures: Figures, header: object, data: bytes, shift: int) -> None:
    text = json.dumps(header).encode()
    path = tmp_path / "x.safetensors"
    path.write_bytes(max(len(text) + shift, 0).to_bytes(8, "little") + text + data)
    with figures.case("a header"):
        try:
            found = read_header(path)
        except TypedVisionError as error:
            said(error)
            figures.refused += 1
        else:
            assert sum(info.size for info in found.tensors.values()) <= len(data)
            figures.accepted += 1
    assert figures.seconds < SECONDS


@given(content=st.binary(max_size=300))
@settings(
    max_examples=CASES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_bytes(tmp_path: Path, figures: Figures, content: bytes) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with figures.case("bytes"):
        try:
            inspect(path)
        except TypedVisionError as error:
            said(error)
            figures.refused += 1
        else:
            figures.accepted += 1


@pytest.mark.parametrize("seed", range(4))
def test_mutated_models(tmp_path: Path, saved: Path, figures: Figures, seed: int) -> None:
    """Bytes of a real file changed, cut, doubled or swapped; most often those of its header."""
    original = saved.read_bytes()
    header_end = 8 + int.from_bytes(original[:8], "little")
    whole = tv.load_model(saved)
    path = tmp_path / "mutated.safetensors"
    for case in range(CASES // 4):
        chance = random.Random(seed * 1_000_003 + case)
        path.write_bytes(mutated(original, header_end, chance))
        with figures.case(f"a changed file, seed {seed}, case {case}"):
            try:
                model = tv.load_model(path, limits=tv.Limits(params=10_000_000))
            except TypedVisionError as error:
                said(error)
                figures.refused += 1
            else:
                assert model.state_dict().keys() == whole.state_dict().keys()
                figures.accepted += 1
                figures.built += 1
        path.unlink()
        assert figures.seconds < SECONDS, figures.slowest
    assert figures.refused > 0


def said(error: TypedVisionError) -> None:
    """The error can be shown, to people and to programs."""
    assert str(error)
    assert error.to_json()


def mutated(original: bytes, header_end: int, chance: random.Random) -> bytes:
    """The bytes with one to four changes."""
    content = bytearray(original)
    for _ in range(chance.randint(1, 4)):
        end = header_end if chance.random() < 0.8 else len(content)
        place = chance.randrange(max(min(end, len(content)), 1))
        match chance.randrange(6):
            case 0:
                content[place : place + 1] = bytes([chance.randrange(256)])
            case 1:
                content[place : place + 1] = chance.choice(b'{}[]",:0123456789-').to_bytes()
            case 2:
                del content[place : place + chance.randint(1, 40)]
            case 3:
                content[place:place] = content[place : place + chance.randint(1, 40)]
            case 4:
                del content[place:]
            case _:
                other = chance.randrange(max(min(end, len(content)), 1))
                content[place : place + 8] = content[other : other + 8]
    return bytes(content)
