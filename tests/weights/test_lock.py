"""A lock pins a spec's weights: this file, or an error."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from typer.testing import Result

import typedvision as tv
from tests.cli.running import run
from tests.weights.hub import COMMIT, OLD_COMMIT, Hub, running
from typedvision.config.weights import WeightsLock
from typedvision.errors import ConfigError, WeightsError
from typedvision.weights.lock import lock_weights

NAME = "test_resnet.r160_in1k"
REPOSITORY = f"timm/{NAME}"
FILE = "model.safetensors"


def saved(folder: Path, seed: int) -> bytes:
    path = folder / f"{seed}.safetensors"
    tv.save_model(tv.create_model(NAME, seed=seed), path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return saved(tmp_path_factory.mktemp("weights"), seed=1)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return saved(tmp_path_factory.mktemp("weights"), seed=2)


@pytest.fixture
def hub(weights: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    with running(Hub({(REPOSITORY, COMMIT): {FILE: weights}}), monkeypatch) as hub:
        yield hub


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A short spec as a person writes it."""
    config = tv.specify(NAME).to_dict()["config"]
    text = {"$schema": "x.json", "schema_version": 1, "family": "resnet", "variant": "test_resnet"}
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**text, "tag": "r160_in1k", "config": config}))
    return path


def lock_of(content: bytes, revision: str = COMMIT) -> WeightsLock:
    sha256 = hashlib.sha256(content).hexdigest()
    return WeightsLock(revision=revision, size=len(content), sha256=sha256)


def locked(lock: WeightsLock) -> tv.ModelSpec:
    return tv.specify(NAME).replace(lock=lock)


def refused(spec: tv.ModelSpec, cache: Path) -> WeightsError:
    with pytest.raises(WeightsError) as caught:
        tv.create_model(spec, pretrained=True, cache_dir=cache)
    return caught.value


def test_the_lock_says_which_file_it_is(hub: Hub, weights: bytes) -> None:
    spec = tv.specify(NAME, num_classes=3)
    assert lock_weights(spec) == spec.replace(lock=lock_of(weights))


def test_a_spec_without_a_tag_gets_the_default(hub: Hub, weights: bytes) -> None:
    assert lock_weights(tv.specify("test_resnet")) == locked(lock_of(weights))


@pytest.mark.usefixtures("hub")
def test_only_published_weights_can_be_locked() -> None:
    with pytest.raises(WeightsError, match="name a variant"):
        lock_weights(tv.ModelSpec.from_config(tv.configure("test_resnet")))
    with pytest.raises(ConfigError, match="no weights 'x' of 'test_resnet'"):
        tv.specify("test_resnet").replace(tag="x")


def test_a_locked_spec_is_verified_on_every_load(hub: Hub, weights: bytes, tmp_path: Path) -> None:
    spec = lock_weights(tv.specify(NAME, num_classes=3))
    model = tv.create_model(spec, pretrained=True)
    wanted = tv.create_model(NAME, seed=1).state_dict()
    got = model.state_dict()
    assert model.spec == spec
    assert torch.equal(got["conv1.0.weight"], wanted["conv1.0.weight"])
    asked = len(hub.requests)
    tv.create_model(spec, pretrained=True, offline=True)
    assert len(hub.requests) == asked
    (blob,) = (tmp_path / "cache").glob(f"models--*/blobs/{hashlib.sha256(weights).hexdigest()}")
    content = bytearray(weights)
    content[-1] ^= 1
    blob.write_bytes(content)
    for offline in (False, True):
        with pytest.raises(WeightsError, match="not the file that was meant") as caught:
            tv.create_model(spec, pretrained=True, offline=offline)
        assert [problem.path for problem in caught.value.problems] == [("sha256",)]


def test_when_the_hub_moves_on_the_locked_revision_is_loaded(
    hub: Hub, weights: bytes, other: bytes, tmp_path: Path
) -> None:
    spec = lock_weights(tv.specify(NAME))
    hub.files = {(REPOSITORY, COMMIT): {FILE: other}, (REPOSITORY, OLD_COMMIT): {FILE: weights}}
    old = locked(lock_of(weights, OLD_COMMIT))
    model = tv.create_model(old, pretrained=True, cache_dir=tmp_path / "new")
    wanted = tv.create_model(NAME, seed=1).state_dict()
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in model.state_dict().items())
    # The same revision with other bytes: nothing but the digest can tell.
    error = refused(spec, tmp_path / "new")
    assert [(one.path, one.value) for one in error.problems] == [
        (("sha256",), hashlib.sha256(other).hexdigest())
    ]
    moved = lock_weights(spec, cache_dir=tmp_path / "new")
    assert moved.lock == lock_of(other)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 1}, "size  value  must be 1; got "),
        ({"sha256": "0" * 64}, f"sha256  value  must be {'0' * 64}; got "),
        ({"revision": "3" * 40}, f"at revision '{'3' * 40}' cannot be had: .* no such revision"),
    ],
)
@pytest.mark.usefixtures("hub")
def test_another_file_is_refused(
    weights: bytes, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    spec = locked(lock_of(weights).replace(**change))
    with pytest.raises(WeightsError, match=words):
        tv.create_model(spec, pretrained=True, cache_dir=tmp_path / "new")


def test_offline_locks_what_is_in_the_cache(hub: Hub, weights: bytes) -> None:
    with pytest.raises(WeightsError, match="is not in the cache"):
        lock_weights(tv.specify(NAME), offline=True)
    assert hub.requests == []
    tv.create_model(NAME, pretrained=True)
    asked = len(hub.requests)
    assert lock_weights(tv.specify(NAME), offline=True).lock == lock_of(weights)
    assert len(hub.requests) == asked


def test_without_a_lock_nothing_of_a_spec_changes(weights: bytes) -> None:
    spec = tv.specify(NAME)
    assert "lock" not in spec.to_dict()
    pinned = spec.replace(lock=lock_of(weights))
    assert list(pinned.to_dict())[-4:] == ["tag", "lock", "image", "metadata"]
    assert pinned != spec
    assert pinned.replace(lock=None).digest() == spec.digest()
    assert tv.ModelSpec.from_json(pinned.to_json()) == pinned


def test_other_options_keep_the_lock(weights: bytes) -> None:
    """The file stays the same: it is adapted to them."""
    spec = locked(lock_of(weights))
    assert spec.with_options(num_classes=3, in_chans=1).lock == spec.lock
    model = tv.create_model(spec, device="meta")
    model.reset_classifier(2)
    assert model.spec.lock == spec.lock


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"revision": "main"}, ("lock.revision", "value")),
        ({"size": 0}, ("lock.size", "range")),
        ({"size": True}, ("lock.size", "type")),
        ({"sha256": "F" * 64}, ("lock.sha256", "value")),
        ({"url": "x"}, ("lock.url", "unknown")),
    ],
)
def test_a_wrong_lock_is_found_where_it_is(
    weights: bytes, change: dict[str, object], problem: tuple[str, str]
) -> None:
    lock = lock_of(weights)
    document = locked(lock).to_dict() | {"lock": {**lock.model_dump(), **change}}
    with pytest.raises(ConfigError) as caught:
        tv.ModelSpec.from_dict(document)
    assert [(one.where(), one.kind) for one in caught.value.problems] == [problem]


def test_a_lock_needs_a_tag(weights: bytes) -> None:
    document = locked(lock_of(weights)).to_dict() | {"tag": None}
    with pytest.raises(ConfigError, match="'lock' needs a 'tag' whose file it is") as caught:
        tv.ModelSpec.from_dict(document)
    assert [one.where() for one in caught.value.problems] == ["tag", "lock"]


# The verb.


def read(path: Path) -> dict[str, object]:
    document: dict[str, object] = json.loads(path.read_text())
    return document


def test_the_verb_writes_into_the_spec(hub: Hub, document: Path, weights: bytes) -> None:
    before, lock = read(document), lock_of(weights)
    result = run("lock", str(document))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{document}: {NAME}, {len(weights):,} bytes at revision {COMMIT}, sha256 {lock.sha256}\n"
    )
    assert read(document) == {**before, "lock": lock.model_dump()}
    assert list(read(document)) == [*before, "lock"]
    assert [path.name for path in document.parent.glob("*model.json*")] == ["model.json"]


def test_the_verb_writes_elsewhere(hub: Hub, document: Path, weights: bytes) -> None:
    before, target = document.read_bytes(), document.with_name("locked.json")
    result = run("lock", str(document), "-o", str(target), "--json")
    assert json.loads(result.stdout) == {
        "file": str(target),
        "variant": "test_resnet",
        "tag": "r160_in1k",
        "lock": lock_of(weights).model_dump(),
    }
    assert document.read_bytes() == before
    spec = tv.ModelSpec.from_json(target.read_bytes())
    assert spec == tv.ModelSpec.from_json(before).replace(lock=lock_of(weights))
    assert run("lock", str(document), "-o", str(target)).exit_code == 2
    assert run("lock", str(document), "-o", str(target), "--force").exit_code == 0


def test_stdin_needs_an_output(hub: Hub, document: Path, tmp_path: Path) -> None:
    text = tv.specify("test_resnet").to_json()
    result = run("lock", "-", stdin=text)
    assert (result.exit_code, hub.requests) == (2, [])
    target = tmp_path / "new.json"
    assert run("lock", "-", "-o", str(target), stdin=text).exit_code == 0
    assert read(target)["tag"] == "r160_in1k"


def failed(result: Result, document: Path, before: bytes) -> str:
    assert (result.exit_code, result.stdout) == (1, "")
    assert document.read_bytes() == before
    return result.stderr


def test_a_failure_leaves_the_spec_as_it_was(hub: Hub, document: Path) -> None:
    before = document.read_bytes()
    hub.gated.add(REPOSITORY)
    assert "is gated" in failed(run("lock", str(document)), document, before)
    asked = len(hub.requests)
    offline = failed(run("lock", str(document), "--offline"), document, before)
    assert f"'{FILE}' of '{REPOSITORY}' at revision 'main' is not in the cache" in offline
    assert len(hub.requests) == asked
    error = json.loads(run("lock", str(document), "--json").stdout)
    assert error["code"] == "weights"
    document.write_text('{"schema_version": 1}')
    assert "[spec] 2 problems" in failed(
        run("lock", str(document)), document, b'{"schema_version": 1}'
    )
    assert run("lock", str(document.with_name("absent.json"))).exit_code == 2


def test_the_verb_loads_no_torch(hub: Hub, document: Path, tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from typedvision.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(*sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "lock", document],
        env={**os.environ, "HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    loaded = set(done.stderr.split())
    assert (done.returncode, loaded & {"torch", "numpy"}) == (0, set()), done.stderr[-2000:]
    assert "lock" in read(document)
