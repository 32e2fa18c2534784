"""A small client of the Language Server Protocol: enough to ask what an editor asks."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

COMMANDS = {
    "pyright": ("pyright-langserver", "--stdio"),
    "basedpyright": ("basedpyright-langserver", "--stdio"),
    "pyrefly": ("pyrefly", "lsp"),
    "ty": ("ty", "server"),
}
"""The command of each language server that is installed here."""

PATIENCE = 60.0
"""Seconds after which a server that does not answer is ended."""


class LanguageServer:
    """A language server that speaks over its standard streams, with one open file.

    Args:
        name: the server, a key of `COMMANDS`.
        folder: the user's project.
        python: the interpreter of the environment that the user works in.
    """

    def __init__(self, name: str, folder: Path, python: Path) -> None:
        program, *arguments = COMMANDS[name]
        self._uri = (folder / "editing.py").as_uri()
        self._version = 0
        self._number = 0
        self._process = subprocess.Popen(
            [Path(sys.executable).parent / program, *arguments],
            env=_activated(python),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        root = {"uri": folder.as_uri(), "name": folder.name}
        abilities = {
            "workspace": {"configuration": True, "workspaceFolders": True},
            "textDocument": {
                "hover": {"contentFormat": ["plaintext"]},
                "completion": {"completionItem": {"documentationFormat": ["plaintext"]}},
                "signatureHelp": {
                    "signatureInformation": {
                        "documentationFormat": ["plaintext"],
                        "parameterInformation": {"labelOffsetSupport": False},
                    }
                },
            },
        }
        options = {"processId": None, "capabilities": abilities, "workspaceFolders": [root]}
        self._request("initialize", {**options, "rootUri": root["uri"]})
        self._notify("initialized", {})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def write(self, text: str) -> None:
        """Replace the text of the open file, as an edit does."""
        self._version += 1
        document = {"uri": self._uri, "version": self._version}
        if self._version == 1:
            opened = {**document, "languageId": "python", "text": text}
            self._notify("textDocument/didOpen", {"textDocument": opened})
        else:
            change = {"textDocument": document, "contentChanges": [{"text": text}]}
            self._notify("textDocument/didChange", change)

    def ask(self, what: str, line: int, column: int) -> Any:
        """The answer to `textDocument/<what>` at a place in the file, both counted from 0."""
        place = {"line": line, "character": column}
        return self._request(
            f"textDocument/{what}", {"textDocument": {"uri": self._uri}, "position": place}
        )

    def processor_time(self) -> float:
        """Seconds that the thread which answers has computed; waiting for a busy machine is none.

        Linux tells it; elsewhere it is `nan`.
        """
        schedule = Path(f"/proc/{self._worker()}/schedstat")
        return int(schedule.read_text().split()[0]) / 1e9 if schedule.exists() else math.nan

    def _worker(self) -> int:
        """The process that answers: the command may only have started it."""
        number = self._process.pid
        while children := _children(number):
            number = children[0]
        return number

    def _request(self, method: str, params: object) -> Any:
        self._number += 1
        self._send({"id": self._number, "method": method, "params": params})
        end = threading.Timer(PATIENCE, self._process.kill)
        end.start()
        try:
            return self._result(method)
        finally:
            end.cancel()

    def _result(self, method: str) -> Any:
        """The answer to the last request; requests of the server in the meantime are answered."""
        while True:
            message = self._receive()
            if "method" in message:
                if "id" in message:
                    self._send({"id": message["id"], "result": _answer(message)})
            elif message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return message["result"]

    def _notify(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: Mapping[str, object]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while (line := self._process.stdout.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise EOFError("the language server has ended")
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message


def _answer(message: Mapping[str, Any]) -> object:
    """The answer to a request of a server: no setting is made."""
    if message["method"] != "workspace/configuration":
        return None
    return [None for _ in message["params"]["items"]]


def _activated(python: Path) -> dict[str, str]:
    """The variables of a shell in which the environment of this interpreter is active."""
    path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(python.parents[1])}


def _children(process: int) -> list[int]:
    listed = Path(f"/proc/{process}/task/{process}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []
