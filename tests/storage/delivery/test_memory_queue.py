"""The queue of a local store: in order, and no more in memory than it may hold."""

import threading
import time

import pytest

from repdyn.storage.delivery import memory_queue as module
from repdyn.storage.delivery.memory_queue import MemoryQueue
from repdyn.storage.delivery.operations import Operation, PutArtifact


def test_artifacts_beyond_its_bytes_wait_until_others_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES", 100)
    may_send, sent = threading.Event(), list[Operation]()

    def send(operation: Operation) -> None:
        may_send.wait(10)
        sent.append(operation)

    queue = MemoryQueue(send)
    first, second, large = (
        PutArtifact(name, bytes(n)) for name, n in (("a", 60), ("b", 40), ("c", 999))
    )
    queue.put(first)
    queue.put(second)  # 100 bytes are held
    adding = threading.Thread(target=queue.put, args=(large,))
    adding.start()
    time.sleep(0.1)
    assert adding.is_alive()
    may_send.set()
    adding.join(10)
    assert not adding.is_alive()
    queue.close(None)
    assert sent == [first, second, large]


def test_after_an_error_nothing_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAITING_BYTES", 100)

    def refuse(operation: Operation) -> None:
        raise ValueError(operation)

    queue = MemoryQueue(refuse)
    for _ in range(5):
        try:
            queue.put(PutArtifact("a", bytes(80)))
        except ValueError:
            break
    else:
        raise AssertionError("the error is not told")
