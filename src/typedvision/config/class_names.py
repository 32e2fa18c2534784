"""`ClassSet`: the names of well-known sets of classes, by reference; imports no torch."""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate
from typing import Final, Self, overload

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from typedvision.errors import UnknownNameError

CLASS_SETS: Final = {
    "imagenet1k": 1_000,
    "imagenet12k": 11_821,
    "imagenet22k": 21_841,
    "imagenet22k_ms": 21_842,
    "imagenet21k_goog": 21_843,
    "imagenet21k_miil": 11_221,
}
"""The subsets of ImageNet that published classifiers have, each with its number of classes."""
_FILE: Final = "class_names.json.xz"


class ClassSet(Sequence[str]):
    """The names of a set's classes, in the classifier's order; read when one is asked for.

    A class has the first of its names in WordNet, or all of them, separated by commas, where
    another class of the set has the same first name. A spec's document holds the key alone.

    Raises:
        UnknownNameError: there is no such set.
    """

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        if key not in CLASS_SETS:
            raise UnknownNameError.of("class set", key, CLASS_SETS)
        self.key: str = key

    @classmethod
    def of_count(cls, num_classes: int) -> Self | None:
        """The set that has this number of classes; None where none has."""
        keys = [key for key, count in CLASS_SETS.items() if count == num_classes]
        return cls(keys[0]) if keys else None

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return _names(self.key)[index]

    def __len__(self) -> int:
        return CLASS_SETS[self.key]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClassSet) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"ClassSet({self.key!r})"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        key = core_schema.no_info_before_validator_function(
            lambda value: value.key if isinstance(value, cls) else value,
            core_schema.chain_schema(
                [core_schema.str_schema(), core_schema.literal_schema(list(CLASS_SETS))]
            ),
        )
        return core_schema.no_info_after_validator_function(
            cls,
            key,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.key, return_schema=core_schema.str_schema()
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "enum": list(CLASS_SETS)}


@cache
def _names(key: str) -> tuple[str, ...]:
    """The name of each class of a set."""
    packed = json.loads(lzma.decompress(files("typedvision.config").joinpath(_FILE).read_bytes()))
    whole = [packed["names"][place] for place in accumulate(packed["sets"][key])]
    first = [names.partition(",")[0] for names in whole]
    shared = Counter(first)
    return tuple(
        one if shared[one] == 1 else names for one, names in zip(first, whole, strict=True)
    )
