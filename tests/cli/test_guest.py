"""A family of another package, which the index does not know, is shown like ours."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
from pydantic import Field

import typedvision as tv
from tests.cli.running import run
from typedvision.config.base import Builds


@pytest.fixture
def guest(registry: None) -> None:
    class GuestConfig(tv.ModelConfig, Builds["object"]):
        """A guest."""

        sides: int = Field(3, ge=1, le=8)
        """Number of sides."""

        def features(self) -> tuple[tv.FeatureSpec, ...]:
            return ()

    class GuestFamily(tv.ModelFamily[GuestConfig, "object"]):
        key = "guest"
        title = "Guest"
        paper = "https://example.com/guest"
        capabilities = tv.Capabilities()
        variants: ClassVar = {"guest_3": GuestConfig()}

        @classmethod
        def build(cls, cfg: GuestConfig) -> object:
            raise AssertionError("nobody builds it here")

        @classmethod
        def parts(cls, cfg: GuestConfig) -> tv.Parts:
            return tv.Parts(first_conv=(), classifier=())


@pytest.mark.usefixtures("guest")
def test_a_guest_is_shown_without_what_only_the_index_counts() -> None:
    assert json.loads(run("list", "guest*", "--json").stdout) == [
        {
            "name": "guest_3",
            "family": "guest",
            "parameters": None,
            "default_tag": None,
            "license": None,
        }
    ]
    for name in ("guest", "guest_3"):
        text = run("show", name, "--no-plan").stdout
        assert "Number of sides." in text
        assert "integer in [1, 8]" in text
    spec = run("spec", "guest_3", "--set", "sides=8").stdout
    assert run("check", "-", stdin=spec).exit_code == 0
    schema = json.loads(run("schema").stdout)
    assert "guest" in schema["properties"]["family"]["enum"]
    assert schema["$defs"]["GuestConfig"]["properties"]["sides"]["maximum"] == 8
