"""The real hub client against a server of ours: what it fetches, keeps, checks and refuses."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants

import typedvision as tv
from tests.weights.hub import COMMIT, OLD_COMMIT, Hub, running
from typedvision.config.weights import PublishedWeights
from typedvision.errors import SpecError, UsageError, WeightsError
from typedvision.weights.fetch import HubFile, fetch, parse_repository
from typedvision.weights.timm_config import read_timm_config

REPOSITORY = "owner/net"
# What timm 1.0.31 writes for `create_model("test_resnet", num_classes=5, in_chans=1)`.
TIMM_CONFIG = {
    "architecture": "test_resnet",
    "num_classes": 5,
    "num_features": 96,
    "global_pool": "avg",
    "model_args": {"num_classes": 5, "in_chans": 1, "global_pool": "avg"},
    "pretrained_cfg": {
        "tag": "r160_in1k",
        "custom_load": False,
        "input_size": [1, 160, 160],
        "fixed_input_size": False,
        "interpolation": "bilinear",
        "crop_pct": 0.95,
        "crop_mode": "center",
        "mean": [0.449],
        "std": [0.226],
        "num_classes": 5,
        "pool_size": [5, 5],
        "first_conv": "conv1.0",
        "classifier": "fc",
        "license": "apache-2.0",
    },
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("hub") / "model.safetensors"
    tv.save_model(tv.create_model("test_resnet", num_classes=5, in_chans=1, seed=8), path)
    return path.read_bytes()


@pytest.fixture
def hub(weights: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    config = json.dumps(TIMM_CONFIG).encode()
    files = {"model.safetensors": weights, "config.json": config}
    old = {**files, "config.json": config.replace(b"0.95", b"0.5")}
    served = Hub({(REPOSITORY, COMMIT): files, (REPOSITORY, OLD_COMMIT): old})
    with running(served, monkeypatch) as hub:
        yield hub


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def file(**changes: str | int) -> HubFile:
    return HubFile(REPOSITORY, "model.safetensors")._replace(**changes)


def test_downloads_once(hub: Hub, cache: Path, weights: bytes) -> None:
    assert fetch(file(), cache_dir=cache).read_bytes() == weights
    assert fetch(file(), cache_dir=cache).read_bytes() == weights
    assert len(hub.bodies("model.safetensors")) == 1


def test_offline_reads_the_cache(hub: Hub, cache: Path, weights: bytes) -> None:
    with pytest.raises(WeightsError, match=r"'model\.safetensors' of 'owner/net' at revision 'x'"):
        fetch(file(revision="x"), offline=True, cache_dir=cache)
    with pytest.raises(WeightsError, match="revision 'main' is not in the cache"):
        fetch(file(), offline=True, cache_dir=cache)
    assert hub.requests == []
    fetch(file(), cache_dir=cache)
    asked = len(hub.requests)
    assert fetch(file(), offline=True, cache_dir=cache).read_bytes() == weights
    assert len(hub.requests) == asked


def test_a_revision_is_pinned(hub: Hub, cache: Path) -> None:
    new = tv.create_model(f"hf-hub:{REPOSITORY}", device="meta", cache_dir=cache)
    old = tv.create_model(f"hf-hub:{REPOSITORY}@{OLD_COMMIT}", device="meta", cache_dir=cache)
    assert (new.spec.image.crop_pct, old.spec.image.crop_pct) == (0.95, 0.5)


def test_sha256_is_checked_on_every_load(hub: Hub, cache: Path, weights: bytes) -> None:
    right = hashlib.sha256(weights).hexdigest()
    fetch(file(sha256=right), cache_dir=cache)
    for _ in range(2):
        with pytest.raises(WeightsError, match="not the file that was meant") as caught:
            fetch(file(sha256="0" * 64), cache_dir=cache)
        assert caught.value.problems[0].value == right


def test_the_size_is_checked_before_the_digest(hub: Hub, cache: Path, weights: bytes) -> None:
    fetch(file(size=len(weights)), cache_dir=cache)
    with pytest.raises(WeightsError, match="not the file that was meant") as caught:
        fetch(file(size=1, sha256="0" * 64), cache_dir=cache)
    assert [(one.path, one.value) for one in caught.value.problems] == [(("size",), len(weights))]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"repository": "owner/absent"}, "no such repository"),
        ({"name": "absent.safetensors"}, "no such file"),
        ({"revision": "3" * 40}, "no such revision"),
        ({"repository": "a/b/c"}, "cannot exist"),
    ],
)
def test_what_is_not_there(hub: Hub, cache: Path, change: dict[str, str], words: str) -> None:
    with pytest.raises(WeightsError, match=words) as caught:
        fetch(file(**change), cache_dir=cache)
    with pytest.raises(WeightsError):
        fetch(file(**change), cache_dir=cache, offline=True)
    assert all(value in str(caught.value) for value in change.values())


def test_gated(hub: Hub, cache: Path) -> None:
    hub.gated.add(REPOSITORY)
    with pytest.raises(WeightsError, match="is gated"):
        fetch(file(), cache_dir=cache)


def test_a_cut_connection_is_resumed(
    hub: Hub, cache: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 65_536)
    hub.cut_after = 700_000
    assert fetch(file(), cache_dir=cache).read_bytes() == weights
    first, second = hub.bodies("model.safetensors")
    assert first == ""
    assert 0 < int(second.removeprefix("bytes=").partition("-")[0]) <= 700_000


def test_a_slow_connection_is_waited_for(hub: Hub, cache: Path, weights: bytes) -> None:
    hub.pause = 0.02
    assert fetch(file(), cache_dir=cache).read_bytes() == weights


def test_two_processes_download_one_file(hub: Hub, cache: Path, weights: bytes) -> None:
    hub.pause = 0.02
    code = (
        "import sys; from typedvision.weights.fetch import *;"
        f"print(fetch(HubFile({REPOSITORY!r}, 'model.safetensors'), cache_dir=sys.argv[1]))"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, cache], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    paths = {process.communicate()[0].strip() for process in both}
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == weights
    assert len(hub.bodies("model.safetensors")) == 1


def test_offline_opens_no_socket(hub: Hub, cache: Path) -> None:
    """In a process where a socket is an error, online fails and offline does not."""
    tv.create_model(f"hf-hub:{REPOSITORY}", pretrained=True, cache_dir=cache)
    code = (
        "import socket, sys\n"
        "def refuse(*args, **kwargs): raise SystemExit('a socket')\n"
        "socket.socket.__init__ = refuse\n"
        "socket.getaddrinfo = refuse\n"
        "import typedvision as tv\n"
        f"tv.create_model('hf-hub:{REPOSITORY}', pretrained=True, cache_dir=sys.argv[1],"
        " offline=sys.argv[2] == 'offline')\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url}
    done = {
        how: subprocess.run(
            [sys.executable, "-c", code, cache, how],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        for how in ("offline", "online")
    }
    assert done["offline"].returncode == 0, done["offline"].stderr
    assert "a socket" in done["online"].stderr


def test_a_repository_of_timm(hub: Hub, cache: Path, weights: bytes) -> None:
    model = tv.create_model(f"hf-hub:{REPOSITORY}", pretrained=True, cache_dir=cache)
    assert model.spec.variant == "test_resnet"
    assert (model.spec.config.num_classes, model.spec.config.in_chans) == (5, 1)
    image = model.spec.image
    assert (image.size, image.mean, image.std) == ((160, 160), (0.449,), (0.226,))
    assert (image.interpolation, image.crop_pct) == ("bilinear", 0.95)
    same = tv.create_model("test_resnet", num_classes=5, in_chans=1, seed=8).state_dict()
    assert all(torch.equal(tensor, same[key]) for key, tensor in model.state_dict().items())
    grown = tv.create_model(
        f"hf-hub:{REPOSITORY}", pretrained=True, cache_dir=cache, in_chans=3, num_classes=2
    )
    assert grown.load_report is not None
    assert list(grown.load_report.adapted) == ["conv1.0.weight"]
    assert grown.load_report.initialised == ("fc.weight", "fc.bias")


def test_names_of_classes_in_timms_document() -> None:
    def named(names: object) -> tuple[str, ...] | None:
        return read_timm_config({**TIMM_CONFIG, "label_names": names}, "a document").class_names

    assert named(list("abcde")) == tuple("abcde")
    for others in (None, list("abcd"), {"a": 1}):
        assert named(others) is None
    with pytest.raises(SpecError) as caught:
        named(["a", "b", "c", "d", 5])
    assert [problem.path for problem in caught.value.problems] == [("label_names", 4)]


def test_without_pretrained_only_the_config_is_fetched(hub: Hub, cache: Path) -> None:
    tv.create_model(f"hf-hub:{REPOSITORY}", cache_dir=cache)
    assert hub.bodies("model.safetensors") == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"architecture": "resnet5O"}, ("architecture",)),
        ({"architecture": None}, ("architecture",)),
        ({"model_args": {"stem_widht": 3}}, ("model_args", "stem_widht")),
        ({"model_args": [1]}, ("model_args",)),
        ({"pretrained_cfg": {"crop_pct": 3.0}}, ("pretrained_cfg", "crop_pct")),
        ({"num_classes": "5"}, ("num_classes",)),
    ],
)
def test_problems_have_paths_in_timms_document(
    hub: Hub, cache: Path, change: dict[str, object], path: tuple[str, ...]
) -> None:
    document = {**TIMM_CONFIG, "model_args": {}, **change}
    hub.files[REPOSITORY, COMMIT]["config.json"] = json.dumps(document).encode()
    with pytest.raises(SpecError, match=r"config\.json.*owner/net") as caught:
        tv.create_model(f"hf-hub:{REPOSITORY}", cache_dir=cache)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_document_that_is_no_json(hub: Hub, cache: Path) -> None:
    hub.files[REPOSITORY, COMMIT]["config.json"] = b"<html>"
    with pytest.raises(SpecError, match="cannot be read"):
        tv.create_model(f"hf-hub:{REPOSITORY}", cache_dir=cache)


def test_a_repository_of_one_saved_file(hub: Hub, cache: Path) -> None:
    """What `save_model` wrote is all that a repository needs."""
    del hub.files[REPOSITORY, COMMIT]["config.json"]
    name = f"hf-hub:{REPOSITORY}"
    model = tv.create_model(name, pretrained=True, cache_dir=cache)
    same = tv.create_model("test_resnet", num_classes=5, in_chans=1, seed=8)
    assert model.spec == same.spec
    wanted = same.state_dict()
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in model.state_dict().items())
    asked = len(hub.requests)
    again = tv.create_model(name, pretrained=True, cache_dir=cache, offline=True, num_classes=2)
    assert len(hub.requests) == asked
    assert again.load_report is not None
    assert again.load_report.initialised == ("fc.weight", "fc.bias")
    assert tv.create_model(name, device="meta", cache_dir=cache, in_chans=3).spec.config == (
        tv.configure("test_resnet", num_classes=5)
    )


def test_a_repository_that_does_not_say_what_it_is(hub: Hub, cache: Path, weights: bytes) -> None:
    files = hub.files[REPOSITORY, COMMIT]
    del files["config.json"]
    length = 8 + int.from_bytes(weights[:8], "little")
    header = json.loads(weights[8:length])
    header["__metadata__"] = {"format": "pt"}
    text = json.dumps(header).encode()
    files["model.safetensors"] = len(text).to_bytes(8, "little") + text + weights[length:]
    with pytest.raises(WeightsError, match=r"does not say what model.* no 'config\.json'"):
        tv.create_model(f"hf-hub:{REPOSITORY}", cache_dir=cache)


def test_an_empty_repository(hub: Hub, cache: Path) -> None:
    hub.files[REPOSITORY, COMMIT].clear()
    for offline in (False, True):
        with pytest.raises(WeightsError, match=r"'model\.safetensors' .* has no such file"):
            tv.create_model(f"hf-hub:{REPOSITORY}", cache_dir=cache, offline=offline)


def test_offline_an_unknown_repository_is_not_in_the_cache(hub: Hub, cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"'config\.json' of 'owner/net' .* not in the cache"):
        tv.create_model(f"hf-hub:{REPOSITORY}", cache_dir=cache, offline=True)
    assert hub.requests == []


def test_a_published_tag_is_fetched(hub: Hub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = tv.family("resnet")
    entry = PublishedWeights(repository=REPOSITORY, revision=OLD_COMMIT)
    monkeypatch.setattr(family, "weights", lambda variant, tag=None: entry)
    model = tv.create_model(
        "test_resnet", pretrained=True, num_classes=5, in_chans=1, cache_dir=cache
    )
    assert model.load_report is not None
    assert f"/resolve/{OLD_COMMIT}/model.safetensors" in hub.requests[0][1]


@pytest.mark.parametrize(
    "name", ["hf-hub:", "hf-hub:x", "hf-hub:a/b/c", "hf-hub:a/b@", "hf-hub:/b"]
)
def test_repositories_are_written_in_one_way(name: str) -> None:
    with pytest.raises(UsageError, match="owner/name"):
        parse_repository(name)
    with pytest.raises(UsageError):
        tv.create_model(name)
    with pytest.raises(UsageError):
        tv.create_model("hf-hub:a/b", pretrained="a1_in1k")


def test_a_hub_that_does_not_answer_is_asked_once(
    hub: Hub, cache: Path, weights: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = fetch(file(), cache_dir=cache)
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template.replace(hub.url, nobody))
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("waits for another try"))
    with pytest.raises(tv.WeightsError, match="not in the cache, and the hub cannot be reached"):
        fetch(file(), cache_dir=cache.with_name("empty"))
    assert fetch(file(), cache_dir=cache) == kept  # what is there is used
    assert kept.read_bytes() == weights
