"""A process that writes into a SQLite store is killed at random moments: no row is torn or twice."""

from __future__ import annotations

import multiprocessing
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest

from repdyn.settings.schema import StoreConfig
from repdyn.storage.reader import load_run
from repdyn.storage.writer import RunWriter

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = 24
LONGEST = 0.8
"""Seconds that a process writes, or opens its run, at most before it is killed."""

NAMES = tuple(f"layer/{i}" for i in range(40))
REPEATED = 3
"""Steps that a run which goes on logs once more, as a training does from its saved state."""


def log(writer: RunWriter, step: int) -> None:
    """Log a step as a checkpoint does: a batch of metrics, an artifact, one that is replaced."""
    writer.log_metrics(step, {name: value_of(name, step) for name in NAMES})
    writer.put(f"dynamics/{step:05}.bin", content_of(step))
    writer.log_state(content_of(step))
    writer.set_tag("step", str(step))


def value_of(name: str, step: int) -> float:
    return NAMES.index(name) + step / 1024


def content_of(step: int) -> bytes:
    return step.to_bytes(4, "big") * 5000


def write(uri: str, name: str, run: str | None, first: int, told: Connection) -> None:
    """Write until killed; tells when it begins, has opened its run, and each step that is stored."""
    store = StoreConfig(tracking_uri=uri)
    told.send(first - 1)
    writer = RunWriter.create(store, name, {}, {}) if run is None else RunWriter.restart(store, run)
    told.send(first - 1)
    step = first
    while True:
        log(writer, step)
        writer.flush()
        told.send(step)
        step += 1


def killed(write: Callable[[Connection], BaseProcess], words: int, seconds: float) -> int:
    """Kill a process some time after it has told so often; returns the last step it told of."""
    hears, tells = multiprocessing.Pipe(duplex=False)
    process = write(tells)
    process.start()
    tells.close()
    try:
        for _ in range(words):
            assert hears.poll(120)
            last = int(hears.recv())
        time.sleep(seconds)
        assert process.is_alive()
    finally:
        process.kill()
        process.join()
    try:
        while True:
            last = int(hears.recv())
    except EOFError:
        return last
    finally:
        hears.close()


def rows(database: Path, query: str, *values: str) -> list[tuple[object, ...]]:
    """Ask SQLite itself, which first rolls back what the killed process had not committed."""
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        return connection.execute(query, values).fetchall()


def check_readable(store: StoreConfig, run: str, flushed: int, folder: Path) -> int:
    """Check what is stored of a run that was killed; returns the steps that it has begun."""
    curves = load_run(store, run).curves
    lengths = {len(curve.steps) for curve in curves.values()}
    steps = max(lengths, default=0)
    assert steps >= flushed + 1
    assert len(lengths) <= 1  # a batch is there as a whole or not at all
    check_values(store, run, steps)
    for file in folder.glob(f"mlruns/*/{run}/artifacts/dynamics/[!.]*.bin"):  # whole ones
        assert file.read_bytes() == content_of(int(file.stem))
    return steps


def check_values(store: StoreConfig, run: str, steps: int) -> None:
    curves = load_run(store, run).curves
    assert set(curves) == (set(NAMES) if steps else set())
    for name, curve in curves.items():
        assert curve.steps.tolist() == list(range(steps))
        assert np.array_equal(curve.values, [value_of(name, step) for step in range(steps)])


def test_a_store_whose_writer_is_killed_at_any_moment(
    sqlite_store: StoreConfig, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    context = multiprocessing.get_context("forkserver")  # MLflow is loaded once, not for each
    context.set_forkserver_preload(["repdyn.storage.writer"])

    def writing(arguments: tuple[str, str, str | None, int], told: Connection) -> BaseProcess:
        return context.Process(target=write, args=(*arguments, told))

    database = tmp_path / "mlflow.db"
    uri = str(sqlite_store.tracking_uri)
    rng = random.Random(17)
    run, steps, interrupted, logged = None, 0, 0, 0
    for kill in range(KILLS):
        if rng.random() < 0.5:
            run, steps = None, 0
        first, name = max(steps - REPEATED, 0), f"run {kill}"
        flushed = killed(
            partial(writing, (uri, name, run, first)),
            rng.choice((1, 2, 3, 3, 3)),  # while it opens its run, and while it writes
            rng.uniform(0, LONGEST),
        )
        interrupted += Path(f"{database}-journal").exists()
        assert rows(database, "PRAGMA integrity_check") == [("ok",)]
        assert rows(database, "PRAGMA foreign_key_check") == []
        if run is None:
            found = rows(database, "SELECT run_uuid FROM runs WHERE name = ?", name)
            if not found:  # killed before its run was made
                continue
            run = str(found[0][0])
        steps = max(check_readable(sqlite_store, run, flushed, tmp_path), steps) + 1
        with RunWriter.restart(sqlite_store, run) as writer:
            for step in range(steps):
                log(writer, step)
        twice = "SELECT key, step, COUNT(*) FROM metrics WHERE run_uuid = ? GROUP BY key, step"
        counts = rows(database, twice, run)
        assert {count for _, _, count in counts} == {1}
        assert len(counts) == len(NAMES) * steps
        check_values(sqlite_store, run, steps)
        assert load_run(sqlite_store, run).summary.status == "FINISHED"
        assert not list(tmp_path.glob("mlruns/**/.repdyn-*"))
        logged += steps
    assert logged >= KILLS
    record_property("kills in the midst of a transaction", f"{interrupted} of {KILLS}")
