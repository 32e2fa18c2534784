"""The example service, started as its page says, and asked by a real client."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import typedvision as tv

ROOT = Path(__file__).parents[2]
SPEC = tv.specify("resnet18", num_classes=10)


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A client of the service, which runs in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "--app-dir", "examples/service", "app:app"]
    process = subprocess.Popen([*command, "--port", port], cwd=ROOT, stderr=subprocess.PIPE)
    try:
        json = {"content-type": "application/json"}
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, headers=json) as client:
            for _ in range(300):
                try:
                    client.get("/openapi.json")
                    break
                except httpx.ConnectError:
                    time.sleep(0.1)
            yield client
    finally:
        process.terminate()
        process.communicate()


def test_a_valid_spec_is_described(client: httpx.Client) -> None:
    answer = client.post("/validate", content=SPEC.to_json())
    assert answer.status_code == 200
    found = answer.json()
    assert found["digest"] == SPEC.digest()
    assert found["num_classes"] == 10
    assert [level["channels"] for level in found["levels"]] == [64, 64, 128, 256, 512]


def test_a_wrong_spec_is_answered_with_its_problems(client: httpx.Client) -> None:
    document = SPEC.to_json().replace('"num_classes"', '"num_clases"')
    answer = client.post("/validate", content=document)
    assert answer.status_code == 422
    with pytest.raises(tv.SpecError) as caught:
        tv.ModelSpec.from_json(document)
    assert answer.json() == caught.value.to_dict()


def test_a_spec_is_counted(client: httpx.Client) -> None:
    answer = client.post("/summarize", content=SPEC.to_json())
    assert answer.status_code == 200
    summary = tv.summarize(SPEC)
    assert answer.json() == {
        "parameters": summary.parameters,
        "multiply_adds": summary.multiply_adds,
    }
    wrong = SPEC.to_json().replace('"drop_rate": 0.0', '"drop_rate": 5.0')
    answer = client.post("/summarize", content=wrong)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "config", "drop_rate"]


def test_its_interface_describes_specs(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    assert {"ModelSpec", "ResNetConfig"} <= schemas.keys()
