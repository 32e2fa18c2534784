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
def plugin(registry: None) -> None:
    class PluginConfig(tv.ModelConfig, Builds["object"]):
        """A plug-in."""

        sides: int = Field(3, ge=1, le=8)
        """Number of sides."""

        def features(self) -> tuple[tv.FeatureSpec, ...]:
            return ()

    class PluginFamily(tv.ModelFamily[PluginConfig, "object"]):
        key = "plugin"
        title = "Plug-in"
        paper = "https://example.com/plugin"
        capabilities = tv.Capabilities()
        variants: ClassVar = {"plugin_3": PluginConfig()}

        @classmethod
        def build(cls, cfg: PluginConfig) -> object:
            raise AssertionError("nobody builds it here")

        @classmethod
        def parts(cls, cfg: PluginConfig) -> tv.Parts:
            return tv.Parts(first_conv=(), classifier=())


@pytest.mark.usefixtures("plugin")
def test_a_plugin_is_shown_without_what_only_the_index_counts() -> None:
    assert json.loads(run("list", "plugin*", "--json").stdout) == [
        {
            "name": "plugin_3",
            "family": "plugin",
            "parameters": None,
            "default_tag": None,
            "license": None,
        }
    ]
    for name in ("plugin", "plugin_3"):
        text = run("show", name, "--no-plan").stdout
        assert "Number of sides." in text
        assert "integer in [1, 8]" in text
    spec = run("spec", "plugin_3", "--set", "sides=8").stdout
    assert run("check", "-", stdin=spec).exit_code == 0
    schema = json.loads(run("schema").stdout)
    assert "plugin" in schema["properties"]["family"]["enum"]
    (config,) = (
        rule["then"]["properties"]["config"]
        for rule in schema["allOf"]
        if rule["if"]["properties"]["family"]["const"] == "plugin"
    )
    assert config["properties"]["sides"]["maximum"] == 8
