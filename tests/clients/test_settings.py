"""A spec as a field of settings that come from the environment."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

import typedvision as tv

SPEC = tv.specify("resnet18", num_classes=10)


class Settings(BaseSettings):
    """Somebody's settings."""

    model_config = SettingsConfigDict(env_prefix="JOB_")
    spec: tv.ModelSpec
    lr: float = 0.1


def test_a_spec_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_SPEC", SPEC.to_json())
    assert Settings().spec == SPEC


def test_a_wrong_one_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_SPEC", SPEC.to_json().replace('"num_classes"', '"num_clases"'))
    with pytest.raises(ValidationError, match="did you mean 'num_classes'"):
        Settings()
