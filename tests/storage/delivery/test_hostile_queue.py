"""Queues that somebody else has written, or that are damaged: refused by one line each, all else sent.

Whatever lies there, nothing from outside of a queue's folder is sent, and nothing waits for ever.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from repdyn.cli.sync import run_sync
from repdyn.errors import UserError
from repdyn.storage.delivery.operations import Operation, PutArtifact, SetTag
from repdyn.storage.delivery.queue_folder import ROOT, QueueFolder
from repdyn.storage.delivery.sender import Sender

SECRET = b"secret of somebody"

pytestmark = pytest.mark.timeout(60)


class Recorder:
    """Takes all operations, and reads what they would send."""

    def __init__(self) -> None:
        self.taken: list[Operation] = []
        self.bytes = b""

    def __call__(self, operation: Operation) -> None:
        self.taken.append(operation)
        if isinstance(operation, PutArtifact) and isinstance(operation.content, Path):
            self.bytes += operation.content.read_bytes()

    def check(self, operations: object) -> None:
        """All is there."""

    def ping(self) -> None:
        """The run is there."""


def entry(folder: Path, description: object, content: bytes | None = None, name: str = "x") -> Path:
    made = folder / "00000002"
    made.mkdir()
    text = description if isinstance(description, str) else json.dumps(description)
    (made / "job.json").write_text(text)
    if content is not None:
        (made / "content").mkdir()
        (made / "content" / name).write_bytes(content)
    return made


def artifact(path: object, content: bytes = b"content", **other: object) -> dict[str, object]:
    described = {"kind": "artifact", "path": path, "size": len(content)}
    return described | {"crc32": zlib.crc32(content)} | other


DESCRIPTIONS: dict[str, Any] = {
    "no JSON": "{",
    "nested deeply": "[" * 100_000,
    "huge": '{"kind": "tag", "name": "' + "x" * (1 << 24) + '", "value": ""}',
    "a list": [],
    "a number": 1,
    "null": None,
    "empty": {},
    "unknown operation": {"kind": "execute", "path": "x"},
    "kind that is no text": {"kind": ["tag"]},
    "kind that is an object": {"kind": {}},
    "too few fields": {"kind": "tag", "name": "a"},
    "too many fields": {"kind": "tag", "name": "a", "value": "b", "run_id": "other"},
    "number as a tag": {"kind": "tag", "name": "a", "value": 1},
    "list as a name": {"kind": "tag", "name": [], "value": "b"},
    "null character": {"kind": "tag", "name": "a\0", "value": "b"},
    "half a surrogate pair": {"kind": "tag", "name": "a\ud800", "value": "b"},
    "metrics that are no list": {"kind": "metrics", "metrics": 7},
    "metrics of the wrong shape": {"kind": "metrics", "metrics": [["a", 1.0]]},
    "metric of text": {"kind": "metrics", "metrics": [["a", "b", 1, 1]]},
    "metric of a huge number": '{"kind": "metrics", "metrics": [["a", 1' + "0" * 400 + ", 1, 1]]}",
    "step beyond 64 bits": {"kind": "metrics", "metrics": [["a", 1.0, 1, 1 << 70]]},
    "step that is no integer": {"kind": "metrics", "metrics": [["a", 1.0, 1, 0.5]]},
    "too many metrics": {"kind": "metrics", "metrics": [["a", 1.0, 1, 1]] * 1001},
    "input of numbers": {
        "kind": "input",
        "name": 1,
        "digest": 2,
        "source": 3,
        "profile": 4,
        "context": 5,
    },
    "end that is none": {"kind": "end", "status": "RUNNING", "time": 1},
    "end of no time": {"kind": "end", "status": "FINISHED", "time": "now"},
    "removal outside": {"kind": "removal", "path": "../../other/artifacts/x"},
    "removal of all": {"kind": "removal", "path": ""},
    "removal of the folder": {"kind": "removal", "path": "."},
    "removal of the root": {"kind": "removal", "path": "/"},
    "artifact without content": {"kind": "artifact", "path": "x"},
    "artifact with two contents": artifact("x") | {"content": "/etc/hostname"},
    "artifact with a path given as content": {
        "kind": "artifact",
        "path": "x",
        "content": "/etc/hostname",
    },
}
PATHS = (
    "../x",
    "a/../../x",
    "/x",
    "/etc/x",
    "a//x",
    "./x",
    "a/./x",
    "..",
    "",
    "a/",
    "x\0",
    1,
    None,
    ["x"],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a queue with a good entry before and after the place of a bad one."""
    folder = tmp_path / "repdyn-spool" / "run"
    queue = QueueFolder(folder)
    for value in ("first", "second", "third"):
        queue.append(SetTag("tag", value))
    queue.close()
    for file in (folder / "00000002").iterdir():
        file.unlink()
    (folder / "00000002").rmdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x").write_bytes(SECRET)
    return folder


def refused(folder: Path) -> str:
    """Deliver a queue; returns why the entry in its middle was refused."""
    queue, recorder = QueueFolder(folder), Recorder()
    delivery = Sender(queue, recorder)
    while len(queue):
        delivery.step()
    queue.close()
    assert recorder.taken == [SetTag("tag", "first"), SetTag("tag", "third")]
    assert recorder.bytes == b""
    (line,) = delivery.refused
    assert "\n" not in line
    assert len(line) < 1000
    assert "00000002" in line
    assert os.path.lexists(folder / "refused-00000002"), "it is kept"
    return line


@pytest.mark.parametrize("case", DESCRIPTIONS)
def test_a_description_that_is_none(case: str, folder: Path) -> None:
    entry(folder, DESCRIPTIONS[case])
    refused(folder)


@pytest.mark.parametrize("path", PATHS, ids=repr)
def test_a_path_that_leads_elsewhere(path: object, folder: Path) -> None:
    entry(folder, artifact(path), b"content")
    refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        *({"size": 1}, {"size": 10**30}, {"size": -1}, {"size": "7"}, {"size": None}),
        *({"crc32": 0}, {"crc32": "x"}, {"crc32": None}, {"more": 1}),
    ],
    ids=repr,
)
def test_a_content_that_is_not_what_is_described(change: dict[str, Any], folder: Path) -> None:
    entry(folder, artifact("x", **change), b"content")
    refused(folder)


def link(path: Path, to: Path) -> None:
    path.symlink_to(to)


def fifo(path: Path, to: Path) -> None:
    os.mkfifo(path)


def device(path: Path, to: Path) -> None:
    path.symlink_to("/dev/zero")


def directory(path: Path, to: Path) -> None:
    path.mkdir()


def missing(path: Path, to: Path) -> None:
    pass


@pytest.mark.parametrize("what", [link, fifo, device, directory, missing])
def test_a_content_that_is_no_file(
    what: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    made = entry(folder, artifact("x", SECRET), b"")
    (made / "content" / "x").unlink()
    what(made / "content" / "x", tmp_path / "outside" / "x")
    refused(folder)


@pytest.mark.parametrize("what", [link, fifo, device, directory, missing])
def test_a_description_that_is_no_file(
    what: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    made = entry(folder, {})
    (made / "job.json").unlink()
    outside = tmp_path / "outside" / "job.json"
    outside.write_text(json.dumps({"kind": "tag", "name": "a", "value": "secret"}))
    what(made / "job.json", outside)
    refused(folder)


@pytest.mark.parametrize("what", [link, fifo, device])
def test_an_entry_or_its_content_that_is_no_folder(
    what: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "job.json").write_text(json.dumps(artifact("x", SECRET)))
    (outside / "content").mkdir()
    (outside / "content" / "x").write_bytes(SECRET)
    what(folder / "00000002", outside)
    refused(folder)


def test_a_content_folder_that_is_a_link(folder: Path, tmp_path: Path) -> None:
    made = entry(folder, artifact("x", SECRET))
    (made / "content").symlink_to(tmp_path / "outside")
    refused(folder)


def test_a_sparse_content_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terabyte that takes no room on the disk."""
    made = entry(folder, artifact("x", b"", size=1 << 40), b"")
    os.truncate(made / "content" / "x", 1 << 40)
    assert "too large" in refused(folder)


@pytest.mark.parametrize("what", [link, fifo, missing])
@pytest.mark.parametrize("name", [".00000007", "lock.owner"])
def test_what_is_no_entry_is_not_followed(
    name: str, what: Callable[[Path, Path], None], folder: Path, tmp_path: Path
) -> None:
    (folder / name).unlink(missing_ok=True)
    what(folder / name, tmp_path / "outside" / "x")
    entry(folder, {})
    refused(folder)
    assert (tmp_path / "outside" / "x").read_bytes() == SECRET


@pytest.mark.parametrize(
    "owner",
    [
        *("", "{", "[]", '{"uri": 1}', "[" * 100_000),
        '{"uri": [], "run_id": "r", "host": "h", "pid": "1"}',
        '{"uri": "sqlite:///made.db", "run_id": "r", "host": "h", "pid": "1"}',
        '{"uri": "file:///etc", "run_id": "r", "host": "h", "pid": "1"}',
        '{"uri": "", "run_id": "r", "host": "h", "pid": "1"}',
        '{"uri": "http://127.0.0.1:9", "run_id": "../../x", "host": "h", "pid": "1"}',
        '{"uri": "http://[", "run_id": "r", "host": "h", "pid": "1"}',
    ],
)
def test_a_queue_of_nobody_holds_up_no_other(
    owner: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (ROOT / name).mkdir(parents=True)
        (ROOT / name / "run.json").write_text(owner)
        (ROOT / name / "00000001").mkdir()
    with pytest.raises(UserError) as raised:
        run_sync(ROOT, None)
    said = str(raised.value)
    assert "\n" not in said
    # a queue of a server that is not there is told by the server's address
    assert ("one" in said and "two" in said) or said.count("http://") == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == [str(ROOT)]


@pytest.mark.parametrize("what", [fifo, directory, device])
def test_an_owner_that_is_no_file_makes_no_queue(
    what: Callable[[Path, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (ROOT / "one").mkdir(parents=True)
    what(ROOT / "one" / "run.json", tmp_path)
    run_sync(ROOT, None)


def test_a_queue_that_a_link_leads_to_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (folder / "run.json").write_text("{}")
    other = tmp_path / "queues"
    other.mkdir()
    (other / "linked").symlink_to(folder)
    with pytest.raises(UserError, match="linked: is a link"):
        run_sync(other, None)
    assert len(QueueFolder(folder)) == 2
