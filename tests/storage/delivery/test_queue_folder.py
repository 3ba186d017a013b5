"""What waits on the disk for a server: order, tries, refusals, crashes, damage."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock, patch

import pytest

from repdyn.errors import UnsentError, UserError
from repdyn.storage.delivery.disk_queue import DiskQueue
from repdyn.storage.delivery.executor import MissingError, RetryableError
from repdyn.storage.delivery.operations import (
    Describe,
    EndRun,
    LogInput,
    LogMetrics,
    LogModel,
    Operation,
    PutArtifact,
    RemoveArtifact,
    RemoveModel,
    SetTag,
)
from repdyn.storage.delivery.queue_folder import QueuedRun, QueueFolder
from repdyn.storage.delivery.sender import TRIES, Sender
from repdyn.storage.locks.process_lock import HeldError

JOBS: list[Operation] = [
    LogMetrics((("train/acc", 0.1 + 0.2, 1_700_000_000_000, 3), ("lr", float("inf"), 1, 3))),
    SetTag("repdyn.last_checkpoint", "3 – ü"),
    Describe("**a**"),
    LogInput("digits", "abcd1234", '{"uri": "x"}', '{"images": 3}', "train"),
    RemoveArtifact("checkpoints/epoch_00001.safetensors"),
    LogModel("mine", "checkpoints/epoch_00002.safetensors", 2, (("test/acc", 0.5, 1, 2),)),
    RemoveModel("checkpoints/epoch_00002.safetensors"),
    EndRun("FINISHED", 1_700_000_000_001),
]
QUICK = (0.01, 0.05)


class Server:
    """Takes operations; may be away, reject all, refuse one, or lose artifacts that it said it took."""

    def __init__(self) -> None:
        self.taken: list[Operation] = []
        self.away = False
        self.rejects = False
        self.refuses: Operation | None = None
        self.loses: list[str] = []
        self.tries = 0
        self.looks = 0

    def __call__(self, operation: Operation) -> None:
        self.tries += 1
        if self.away:
            raise RetryableError("http://server: does not respond")
        if self.rejects:
            raise PermissionError("http://user:hunter2swordfish@host answers 401 Unauthorized")
        if operation == self.refuses:
            raise ValueError("invalid")
        if isinstance(operation, PutArtifact):
            assert isinstance(operation.content, Path), "big artifacts are not held in memory"
            operation = PutArtifact(operation.path, operation.content.read_bytes())
            if operation.path in self.loses:
                self.loses.remove(operation.path)
                return
        self.taken.append(operation)

    def check(self, operations: Sequence[Operation]) -> None:
        self.looks += 1
        if self.away:
            raise RetryableError("http://server: does not respond")
        there = {operation.path for operation in self.taken if isinstance(operation, PutArtifact)}
        if any(
            isinstance(operation, PutArtifact) and operation.path not in there
            for operation in operations
        ):
            raise MissingError("http://server: has not what it took")

    def ping(self) -> None:
        if self.away:
            raise RetryableError("http://server: does not respond")
        if self.rejects:
            raise PermissionError("answers 401 Unauthorized")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "repdyn-spool" / "run"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def queue(folder: Path, server: Server) -> Iterator[DiskQueue]:
    queue = DiskQueue(QueueFolder(folder), server, pauses=QUICK, patience=0.2)
    yield queue
    server.away = False


def tags(n: int) -> list[Operation]:
    return [SetTag("tag", str(i)) for i in range(n)]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.005)


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir())


def sent_from(folder: Path) -> list[Operation]:
    """Send all, as another process would that opens the queue later."""
    server, queue = Server(), QueueFolder(folder)
    queue.restore()
    delivery = Sender(queue, server)
    while len(queue):
        delivery.step()
    queue.close()
    return server.taken


def test_every_kind_of_operation_comes_back_from_the_disk_as_it_was(folder: Path) -> None:
    queue = QueueFolder(folder)
    artifact = PutArtifact("checkpoints/epoch_00001.safetensors", bytes(range(256)) * 9000)
    for operation in (*JOBS, artifact):
        queue.append(operation)
    queue.close()
    assert sent_from(folder) == [*JOBS, artifact]
    assert not folder.parent.exists(), "nothing stays of what was sent"


def test_a_server_that_answers_gets_all_in_order(
    queue: DiskQueue, server: Server, folder: Path
) -> None:
    for operation in tags(50):
        queue.put(operation)
    queue.flush()
    assert server.taken == tags(50)
    queue.close(JOBS[-1])
    assert server.taken[-1] == JOBS[-1]
    assert not folder.parent.exists()


def test_what_comes_while_the_server_is_away_is_sent_in_order_when_it_is_back(
    queue: DiskQueue, server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.away = True
    for operation in tags(20):
        queue.put(operation)
    until(lambda: server.tries > 3)
    assert len(entries(folder)) == 20
    server.away = False
    queue.put(PutArtifact("dynamics/x.npy", b"x"))
    queue.close(None)
    assert server.taken == [*tags(20), PutArtifact("dynamics/x.npy", b"x")]
    told = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1, "it is said once"
    assert told[0].getMessage().startswith("http://server: does not respond; ")
    assert str(folder) in told[0].getMessage()


def test_pauses_grow_up_to_the_longest(folder: Path, server: Server) -> None:
    server.away = True
    queue = DiskQueue(QueueFolder(folder), server, pauses=(0.05, 0.2), patience=0.0)
    queue.put(JOBS[1])
    time.sleep(1.0)
    # at 0, 0.05, 0.15, 0.35, 0.55, 0.75, 0.95
    assert 4 <= server.tries <= 8
    with pytest.raises(UnsentError):
        queue.close(None)


def test_while_somebody_waits_the_pauses_are_short(folder: Path, server: Server) -> None:
    server.away = True
    queue = DiskQueue(QueueFolder(folder), server, pauses=(0.05, 60.0), patience=20.0)
    queue.put(JOBS[1])
    until(lambda: server.tries > 6)  # the next pause is of seconds
    threading.Timer(0.2, lambda: setattr(server, "away", False)).start()
    start = time.monotonic()
    queue.close(None)
    assert time.monotonic() - start < 2
    assert server.taken == [JOBS[1]]


def test_a_server_that_stays_away_leaves_the_queue_and_its_place(
    queue: DiskQueue, server: Server, folder: Path
) -> None:
    server.away = True
    for operation in JOBS[:-1]:
        queue.put(operation)
    start = time.monotonic()
    with pytest.raises(UnsentError, match="repdyn sync") as raised:
        queue.close(JOBS[-1])
    assert time.monotonic() - start < 5
    assert str(folder) in str(raised.value)
    assert raised.value.exit_code == 75
    assert sent_from(folder) == JOBS


def test_a_refused_entry_is_set_aside_and_holds_up_no_other(
    queue: DiskQueue, server: Server, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = JOBS[1]
    for operation in JOBS[:-1]:
        queue.put(operation)
    with pytest.raises(
        UnsentError, match="1 entry is refused by the server, the first: tag"
    ) as raised:
        queue.close(JOBS[-1])
    assert "invalid" in str(raised.value)
    assert "repdyn sync" in str(raised.value)
    assert server.taken == [JOBS[0], *JOBS[2:]]
    assert server.tries == len(JOBS) + TRIES - 1
    assert sent_from(folder) == [JOBS[1]]


def test_a_refusal_is_not_believed_while_the_server_takes_nothing_at_all(
    folder: Path, server: Server
) -> None:
    """A 400 of a proxy before a server that is away."""
    queue = QueueFolder(folder)
    queue.append(JOBS[1])
    delivery = Sender(queue, server)
    server.refuses = JOBS[1]
    ping, server.ping = server.ping, Mock(side_effect=RetryableError("away"))  # type: ignore[method-assign]
    for _ in range(2 * TRIES):
        with pytest.raises((ValueError, RetryableError)):
            delivery.step()
    assert len(queue) == 1
    server.refuses, server.ping = None, ping  # type: ignore[method-assign]
    delivery.step()
    assert server.taken == [JOBS[1]]
    queue.close()


def test_what_a_later_entry_has_replaced_is_not_sent_after_it(folder: Path, server: Server) -> None:
    queue = QueueFolder(folder)
    first, second, last = tags(3)
    for operation in (first, PutArtifact("x", b"old"), second, PutArtifact("x", b"new"), last):
        queue.append(operation)
    server.refuses = first
    delivery = Sender(queue, server)
    while len(queue):
        with suppress(ValueError):
            delivery.step()
    assert server.taken == [PutArtifact("x", b"old"), second, PutArtifact("x", b"new"), last]
    assert queue.refused == 0
    queue.close()
    assert not folder.exists()


@pytest.mark.parametrize("status", ["rejects", "away"])
def test_no_answer_ends_the_training_and_it_is_said_once(
    status: str, queue: DiskQueue, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    setattr(server, status, True)
    for operation in JOBS[:-1]:
        queue.put(operation)
    until(lambda: server.tries > 5)
    queue.put(JOBS[1])
    setattr(server, status, False)
    queue.close(JOBS[-1])
    assert server.taken == [*JOBS[:-1], JOBS[1], JOBS[-1]]
    assert len(caplog.records) == 1
    assert "training continues" in caplog.records[0].getMessage()
    assert "hunter2swordfish" not in caplog.text


def test_artifacts_are_looked_for_together_and_sent_again_where_one_is_missing(
    queue: DiskQueue, server: Server, folder: Path
) -> None:
    server.loses = ["a/3"]
    artifacts: list[Operation] = [PutArtifact(f"a/{i}", bytes([i])) for i in range(8)]
    for operation in artifacts:
        queue.put(operation)
    queue.close(JOBS[-1])
    assert server.taken == [*artifacts[:3], *artifacts[4:], *artifacts, JOBS[-1]]
    assert server.looks == 2


def test_artifacts_that_are_not_seen_are_not_deleted(folder: Path, server: Server) -> None:
    queue = QueueFolder(folder)
    operations: list[Operation] = [PutArtifact("a", b"a"), PutArtifact("b", b"b"), JOBS[1]]
    for operation in operations:
        queue.append(operation)
    delivery = Sender(queue, server)
    delivery.step()
    delivery.step()
    assert len(entries(folder)) == 3
    server.away = True
    with pytest.raises(RetryableError):
        delivery.step()
    assert len(entries(folder)) == 3
    server.away = False
    while len(queue):
        delivery.step()
    assert server.taken == operations, "what was only not looked for is not sent again"
    queue.close()


def test_the_end_is_bounded_though_a_request_never_ends(folder: Path, server: Server) -> None:
    queue = DiskQueue(QueueFolder(folder), Hangs(), pauses=QUICK, patience=0.2)
    queue.put(JOBS[0])
    start = time.monotonic()
    with pytest.raises(
        UnsentError, match=r"the server is too slow .*; 2 entries are not sent"
    ) as raised:
        queue.close(JOBS[-1])
    assert time.monotonic() - start < 20
    assert raised.value.exit_code == 75
    assert sent_from(folder) == [JOBS[0], JOBS[-1]]


def test_a_request_that_ends_after_the_queue_is_let_go_deletes_nothing(folder: Path) -> None:
    hangs = Hangs()
    queue = DiskQueue(QueueFolder(folder), hangs, pauses=QUICK, patience=0.0)
    queue.put(JOBS[0])
    with pytest.raises(UnsentError):
        queue.close(None)
    hangs.answers.set()
    time.sleep(0.3)
    assert sent_from(folder) == [JOBS[0]]


def test_of_beats_only_the_latest_is_sent_and_none_waits_on_the_disk(
    queue: DiskQueue, server: Server, folder: Path
) -> None:
    server.away = True
    queue.put(SetTag("job", ""))
    until(lambda: server.tries > 0)
    for i in range(100):
        queue.beat(SetTag("beat", str(i)))
    assert len(entries(folder)) == 1
    server.away = False
    queue.flush()
    assert server.taken == [SetTag("beat", "99"), SetTag("job", "")]
    queue.close(None)


class Hangs(Server):
    """Answers only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.answers = threading.Event()

    def __call__(self, operation: Operation) -> None:
        self.answers.wait(60)


def test_the_training_does_not_wait_for_a_server_that_hangs(folder: Path) -> None:
    hangs = Hangs()
    queue = DiskQueue(QueueFolder(folder), hangs)
    start = time.monotonic()
    for operation in tags(200):
        queue.put(operation)
    assert time.monotonic() - start < 10
    hangs.answers.set()
    queue.close(None)


def test_a_crash_between_sending_and_deleting_sends_again(folder: Path) -> None:
    """Sending is done, deleting is not: the entry is still there, whole."""
    queue = QueueFolder(folder)
    for operation in JOBS:
        queue.append(operation)
    server = Server()
    delivery = Sender(queue, server)
    crash = patch.object(queue, "delete_first", side_effect=KeyboardInterrupt)
    with crash, pytest.raises(KeyboardInterrupt):
        delivery.step()
    queue.close()
    assert server.taken == JOBS[:1]
    assert sent_from(folder) == JOBS


def test_a_crash_while_an_entry_is_made_or_deleted_leaves_no_half_of_it(folder: Path) -> None:
    queue = QueueFolder(folder)
    for operation in JOBS:
        queue.append(operation)
    queue.close()
    first, *_ = entries(folder)
    first.rename(folder / f".{first.name}")  # sent, half deleted
    made = folder / ".00000006"
    made.mkdir()
    (made / "job.json").write_text('{"kind": "ta')
    assert sent_from(folder) == JOBS[1:]


def test_a_queue_that_is_opened_again_goes_on_with_its_numbers(folder: Path) -> None:
    for operation in JOBS:
        queue = QueueFolder(folder)
        queue.append(operation)
        queue.close()
    assert sent_from(folder) == JOBS


def break_json(entry: Path) -> None:
    (entry / "job.json").write_bytes(b"\x00\xff")


def break_kind(entry: Path) -> None:
    (entry / "job.json").write_text('{"kind": "pickle"}')


def break_fields(entry: Path) -> None:
    (entry / "job.json").write_text('{"kind": "metrics", "metrics": [["a", 1]]}')


def no_object(entry: Path) -> None:
    (entry / "job.json").write_text("[]")


def no_job(entry: Path) -> None:
    (entry / "job.json").unlink()


def cut_content(entry: Path) -> None:
    content = entry / "content" / "x.npy"
    content.write_bytes(content.read_bytes()[:-1])


def other_content(entry: Path) -> None:
    (entry / "content" / "x.npy").write_bytes(b"abcdef"[::-1])


def linked_content(entry: Path) -> None:
    """Let the content be that of a file elsewhere, which a server would be sent."""
    content = entry / "content" / "x.npy"
    content.rename(entry / "elsewhere")
    content.symlink_to(entry / "elsewhere")


def linked_folder(entry: Path) -> None:
    (entry / "content").rename(entry / "elsewhere")
    (entry / "content").symlink_to(entry / "elsewhere")


@pytest.mark.parametrize(
    "damage",
    [
        *(break_json, break_kind, break_fields, no_object, no_job),
        *(cut_content, other_content, linked_content, linked_folder),
    ],
)
def test_a_damaged_entry_is_one_line_and_nothing_is_lost(
    damage: Callable[[Path], None], folder: Path
) -> None:
    queue = QueueFolder(folder)
    operations: list[Operation] = [JOBS[0], PutArtifact("dynamics/x.npy", b"abcdef"), JOBS[1]]
    for operation in operations:
        queue.append(operation)
    second = entries(folder)[1]
    damage(second)
    server = Server()
    delivery = Sender(queue, server)
    while len(queue):
        delivery.step()
    (line,) = delivery.refused
    assert "is damaged" in line
    assert "\n" not in line
    assert str(second) in line
    assert server.taken == [JOBS[0], JOBS[1]], "the others are sent"
    queue.close()
    assert [entry.name for entry in entries(folder)] == [f"refused-{second.name}"]
    assert sent_from(folder) == []
    assert entries(folder), "what is damaged stays"


def test_a_queue_says_whose_it_is(folder: Path) -> None:
    queue = QueueFolder(folder)
    run = QueuedRun("http://server", "run", "host", "1")
    queue.sign(run)
    assert queue.run() == run
    for damaged in ("", "[]", '{"uri": 1}'):
        (folder / "run.json").write_text(damaged)
        with pytest.raises(UserError, match="damaged"):
            queue.run()
    queue.close()


def test_the_size_is_told_while_entries_are_deleted(folder: Path) -> None:
    queue = QueueFolder(folder)
    for n in range(300):
        queue.append(PutArtifact(f"grams/{n}", b"content"))

    def delete() -> None:
        for _ in range(300):
            queue.delete_first()

    deleting = threading.Thread(target=delete)
    deleting.start()
    sizes = []
    while deleting.is_alive():
        sizes.append(queue.size())
    deleting.join()
    assert all(size % 7 == 0 for size in sizes)
    assert queue.size() == 0
    queue.close()


def test_two_processes_never_have_one_queue(folder: Path) -> None:
    script = (
        "import os, sys, socket; from pathlib import Path\n"
        "from repdyn.storage.delivery.queue_folder import QueueFolder\n"
        "queue = QueueFolder(Path(sys.argv[1]))\n"
        "print(socket.gethostname(), os.getpid(), flush=True)\n"
        "sys.stdin.readline()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    owner = tuple(other.stdout.readline().split())
    with pytest.raises(HeldError) as raised:
        QueueFolder(folder)
    assert tuple(raised.value.owner) == owner
    other.kill()
    other.communicate()
    QueueFolder(folder).close()  # a process that was killed leaves nothing locked


def test_the_owner_of_a_lock_may_be_unknown(folder: Path) -> None:
    queue = QueueFolder(folder)
    (folder / "lock.owner").write_text("no JSON")
    with pytest.raises(HeldError, match=r"on \? by process \?"):
        QueueFolder(folder)
    (folder / "lock.owner").write_text(json.dumps({"host": "elsewhere", "pid": "7"}))
    with pytest.raises(HeldError, match="on elsewhere by process 7"):
        QueueFolder(folder)
    queue.close()
