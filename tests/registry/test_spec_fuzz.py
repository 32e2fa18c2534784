"""Whatever a document says, reading it gives a spec or a `SpecError`, and nothing else.

`FUZZ_CASES` says how many of each kind (`make fuzz`: 10,000).
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import typedvision as tv
from tests.figures import Figures
from typedvision.registry import index

SPECS = [tv.specify(tv.list_models(family=key)[0]) for key in index.family_keys()]
TEXTS = [spec.to_json() for spec in SPECS]
WORDS = sorted({*index.family_keys(), "basic", "avg", "relu", "se", "", "NaN", "$schema", "\ud800"})
NUMBERS = [0, -0.0, 1.0, -1, 10**9, 10**30, 1e308, 5e-324, 2**63]

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from([*WORDS, *NUMBERS])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=9), inner, max_size=5)
    ),
    max_leaves=10,
)
KIND = "documents"
CASES = int(os.environ.get("FUZZ_CASES", "100"))
fuzz = settings(deadline=None, max_examples=CASES, suppress_health_check=list(HealthCheck))

Path = tuple[str | int, ...]


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, child in items:
        yield (*path, key)
        yield from paths(child, (*path, key))


@st.composite
def mutated(draw: st.DrawFn) -> object:
    """A published spec with up to three values replaced, removed or added."""
    document: Any = copy.deepcopy(draw(st.sampled_from([spec.to_dict() for spec in SPECS])))
    for _ in range(draw(st.integers(1, 3))):
        *above, last = draw(st.sampled_from(list(paths(document)) or [("family",)]))
        parent = document
        for part in above:
            parent = parent[part]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                parent[last] = draw(values)
            case "remove" if last in parent or isinstance(parent, list):
                del parent[last]
            case _ if isinstance(parent, list):
                parent.append(draw(values))
            case _:
                parent[draw(st.text(max_size=9) | st.sampled_from(WORDS))] = draw(values)
    return document


def read(text: str | bytes, figures: Figures) -> tv.ModelSpec | None:
    """The spec, or None where it is refused as it should be."""
    with figures.case(f"{len(text)} characters"):
        try:
            spec = tv.ModelSpec.from_json(text)
        except tv.SpecError as caught:
            error = caught
        else:
            figures.accepted += 1
            return spec
    figures.refused += 1
    assert error.problems
    lines = str(error).splitlines()
    assert len(lines) == 1 + len(error.problems) or lines[-1].endswith("has all of them")
    assert len(json.loads(error.to_json())["problems"]) == len(error.problems)
    return None


@fuzz
@given(mutated(), st.booleans())
def test_a_mutated_document_is_a_spec_or_refused(
    figures: Figures, document: object, ascii_only: bool
) -> None:
    spec = read(json.dumps(document, ensure_ascii=ascii_only), figures)
    if spec is not None:
        again = tv.ModelSpec.from_json(spec.to_json())
        assert again == spec
        assert hash(again) == hash(spec)
        assert again.to_json() == spec.to_json()
        assert again.digest() == spec.digest()


@fuzz
@given(st.sampled_from(TEXTS), st.data())
def test_a_damaged_text_is_a_spec_or_refused(
    figures: Figures, text: str, data: st.DataObject
) -> None:
    raw = text.encode()
    start = data.draw(st.integers(0, len(raw)))
    end = data.draw(st.integers(start, min(start + 20, len(raw))))
    read(raw[:start] + data.draw(st.binary(max_size=20)) + raw[end:], figures)


@fuzz
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_anything_else_is_refused(figures: Figures, text: str | bytes) -> None:
    assert read(text, figures) is None


@fuzz
@given(values)
def test_any_json_is_refused_or_read(figures: Figures, document: object) -> None:
    assert read(json.dumps(document), figures) is None


@fuzz
@given(st.dictionaries(st.text(max_size=9), values, max_size=4), st.sampled_from(SPECS))
def test_metadata_comes_back_as_it_was(metadata: dict[str, Any], spec: tv.ModelSpec) -> None:
    marked = spec.replace(metadata=metadata)
    again = tv.ModelSpec.from_json(marked.to_json())
    assert again == marked
    assert json.dumps(again.metadata) == json.dumps(metadata)


def shuffled(value: object, draw: st.DrawFn) -> object:
    if isinstance(value, dict):
        keys = draw(st.permutations(list(value)))
        return {key: shuffled(value[key], draw) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, draw) for item in value]
    return value


@fuzz
@given(st.sampled_from(SPECS), st.data())
def test_the_digest_depends_on_what_is_said_alone(spec: tv.ModelSpec, data: st.DataObject) -> None:
    document = shuffled(spec.to_dict(), data.draw)
    indent = data.draw(st.none() | st.integers(0, 8) | st.just("\t"))
    text = json.dumps(document, indent=indent)
    text = text.replace("\n", data.draw(st.sampled_from(["\n", "\r\n", "\n\n "])))
    assert tv.ModelSpec.from_json(text).digest() == spec.digest()
