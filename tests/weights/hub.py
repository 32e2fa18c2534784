"""A hub on 127.0.0.1: repositories of files, at commits, with the faults that a test wants."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from huggingface_hub import constants

COMMIT, OLD_COMMIT = "1" * 40, "2" * 40
Files = dict[str, bytes]


@dataclass
class Hub:
    """What the server serves, what goes wrong, and what was asked of it."""

    files: dict[tuple[str, str], Files]
    """Files by name, of a repository at a commit."""
    gated: set[str] = field(default_factory=set)
    cut_after: int | None = None
    """Close the connection once, after so many bytes of a body."""
    pause: float = 0.0
    """Seconds between two pieces of a body."""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    """Method, path and `Range` of each."""
    url: str = ""

    def bodies(self, name: str) -> list[str]:
        """The `Range` of each download of a file."""
        wanted = [row for row in self.requests if row[0] == "GET" and row[1].endswith(name)]
        return [asked for _, _, asked in wanted]

    def start(self) -> ThreadingHTTPServer:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                self.answer(body=False)

            def do_GET(self) -> None:
                self.answer(body=True)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

            def answer(self, *, body: bool) -> None:
                asked = self.headers.get("Range", "")
                hub.requests.append((self.command, self.path, asked))
                parts = self.path.strip("/").split("/")
                if len(parts) < 5 or parts[2] != "resolve":
                    return self.refuse(404, "EntryNotFound")
                repository, commit = f"{parts[0]}/{parts[1]}", parts[3]
                commit = COMMIT if commit == "main" else commit
                if repository in hub.gated:
                    return self.refuse(401, "GatedRepo")
                if all(repository != one for one, _ in hub.files):
                    return self.refuse(401, "RepoNotFound")
                if (repository, commit) not in hub.files:
                    return self.refuse(404, "RevisionNotFound")
                content = hub.files[repository, commit].get("/".join(parts[4:]))
                if content is None:
                    return self.refuse(404, "EntryNotFound", commit)
                return self.send(content, commit, asked, body=body)

            def refuse(self, status: int, code: str, commit: str | None = None) -> None:
                self.send_response(status)
                if commit is not None:  # so that the client remembers that there is no such file
                    self.send_header("X-Repo-Commit", commit)
                self.send_header("X-Error-Code", code)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def send(self, content: bytes, commit: str, asked: str, *, body: bool) -> None:
                start = int(asked.removeprefix("bytes=").partition("-")[0]) if asked else 0
                self.send_response(206 if asked else 200)
                self.send_header("X-Repo-Commit", commit)
                self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("Content-Length", str(len(content) - start))
                if asked:
                    span = f"bytes {start}-{len(content) - 1}/{len(content)}"
                    self.send_header("Content-Range", span)
                self.end_headers()
                if not body:
                    return
                end = len(content)
                if hub.cut_after is not None:
                    end, hub.cut_after = start + hub.cut_after, None
                    self.close_connection = True
                for position in range(start, end, 65_536):
                    self.wfile.write(content[position : min(position + 65_536, end)])
                    time.sleep(hub.pause)
                if end < len(content):
                    self.wfile.flush()
                    self.connection.close()

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


def serve(path: Path, repository: str = "owner/net") -> Hub:
    """A hub with one repository, of the files of a folder."""
    files = {file.name: file.read_bytes() for file in path.iterdir() if file.is_file()}
    return Hub({(repository, COMMIT): files})


@contextmanager
def running(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Generator[Hub]:
    """The hub, and the client in this process pointed at it."""
    server = hub.start()
    # The client reads HF_ENDPOINT once, when it is imported.
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
