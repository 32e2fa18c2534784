"""JSON is read strictly."""

from __future__ import annotations

import pytest

from typedvision.config.strict_json import MAX_BYTES, MAX_NESTING, _unique, nests_within, parse_json
from typedvision.errors import SpecError


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(
    "text", ["{}", '{"a": [1, 2.5, null, true, "x"]}', "3", nested(MAX_NESTING)]
)
def test_what_is_json_is_read(text: str) -> None:
    assert parse_json(text) == parse_json(text.encode())


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("", "syntax", "is not JSON"),
        ("{", "syntax", "is not JSON"),
        ("{'a': 1}", "syntax", "is not JSON"),
        ("{} {}", "syntax", "is not JSON"),
        ('{"a": 1,}', "syntax", "is not JSON"),
        (b"\xff\xfe\x00", "syntax", "is not JSON"),
        ('{"a": {"b": 1, "b": 2}}', "syntax", "has the key 'b' twice"),
        ('{"a": NaN}', "range", "NaN"),
        ("[Infinity]", "range", "Infinity"),
        ("-Infinity", "range", "-Infinity"),
        ("1e999", "range", "1e999"),
        ("9" * 5_000, "syntax", "is not JSON"),
        (nested(MAX_NESTING + 1), "length", f"at most {MAX_NESTING} levels"),
        (nested(100_000), "length", f"at most {MAX_NESTING} levels"),
        (" " * (MAX_BYTES + 1), "length", f"at most {MAX_BYTES} bytes"),
    ],
)
def test_what_is_not_is_refused(text: str | bytes, kind: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_json(text)
    (problem,) = caught.value.problems
    assert problem.kind == kind
    assert words in problem.message
    assert len(problem.message) < 300


def test_the_size_is_counted_in_bytes() -> None:
    assert parse_json('"\u00e9"', max_bytes=4) == "\u00e9"
    with pytest.raises(SpecError):
        parse_json('"\u00e9"', max_bytes=3)


def test_nesting_is_counted() -> None:
    assert nests_within(3, 0)
    assert nests_within([{"a": []}], 3)
    assert not nests_within([{"a": []}], 2)


def test_what_holds_itself_nests_without_end() -> None:
    endless: list[object] = []
    endless += [endless, endless]
    assert not nests_within(endless, MAX_NESTING)
    shared: list[object] = []
    for _ in range(MAX_NESTING - 1):
        shared = [shared, shared]
    assert nests_within(shared, MAX_NESTING)


class Counted(str):
    """A key that counts how often keys are compared."""

    __slots__ = ()
    compared = 0

    def __eq__(self, other: object) -> bool:
        Counted.compared += 1
        return str.__eq__(self, other)

    __hash__ = str.__hash__


def test_a_key_twice_is_found_in_one_pass() -> None:
    Counted.compared = 0
    pairs: list[tuple[str, object]] = [(Counted(f"k{number}"), 1) for number in range(20_000)]
    with pytest.raises(SpecError, match="has the key 'k19999' twice"):
        _unique([*pairs, (Counted("k19999"), 2)])
    assert Counted.compared < 100
