"""What is kept of a list of runs, and what is not read of it."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from repdyn.run_summary import RunSummary
from repdyn.settings.schema import StoreConfig
from tests.support.present import present
from tui import listing_cache
from tui.listing_cache import (
    LONGEST,
    MOST_FILES,
    MOST_RUNS,
    Listing,
    ListingCache,
    cache_folder,
    listing_key,
)

RUN = RunSummary(
    run_id="0" * 32,
    name="vit",
    experiment="digits",
    status="FINISHED",
    started=1_000,
    ended=2_000,
    params={"opt": "adam"},
    tags={"repdyn.last_checkpoint": "8"},
    metrics={"test/acc": 0.9, "phase/fit": 4.0},
    last_step=8,
)


def listing(*runs: RunSummary) -> Listing:
    return Listing(runs, 12.5, len(runs))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def cache(folder: Path) -> ListingCache:
    return ListingCache(folder)


def test_what_is_kept_is_found(cache: ListingCache) -> None:
    training = replace(RUN, run_id="1" * 32, ended=None, last_step=None)
    cache.save("a", listing(RUN, training))
    found = present(cache.load("a"))
    assert list(found.runs) == [RUN, training]
    assert (found.read_at, found.total) == (12.5, 2)
    assert cache.load("b") is None


def test_a_metric_that_is_not_finite_is_kept(cache: ListingCache) -> None:
    cache.save("a", listing(replace(RUN, metrics={"test/acc": math.nan})))
    assert math.isnan(present(cache.load("a")).runs[0].metrics["test/acc"])


def test_without_a_folder_nothing_is_kept() -> None:
    ListingCache().save("a", listing(RUN))
    assert ListingCache().load("a") is None


def test_only_what_the_list_shows_is_kept(cache: ListingCache) -> None:
    run = replace(
        RUN,
        params={"opt": "adam", "long": "x" * (LONGEST + 1)},
        tags={"repdyn.schema": "2", "mlflow.parentRunId": "p", "mlflow.source.name": "train.py"},
        metrics={"test/acc": 0.5, "watched/cka_drift/stem": 0.1, "system/cpu": 3.0},
    )
    cache.save("a", listing(run))
    found = present(cache.load("a")).runs[0]
    assert found.params == {"opt": "adam"}
    assert found.tags == {"repdyn.schema": "2", "mlflow.parentRunId": "p"}
    assert found.metrics == {"test/acc": 0.5}


def test_of_other_programs_runs_the_metrics_that_the_list_shows_are_kept(
    cache: ListingCache,
) -> None:
    metrics = {"eval/accuracy": 0.5, "eval/loss": 2.0, "grad_norm": 3.0}
    cache.save("a", listing(replace(RUN, tags={}, metrics=metrics)))
    found = present(cache.load("a")).runs[0]
    assert found.metrics == {"eval/accuracy": 0.5, "eval/loss": 2.0}


def test_of_many_runs_the_newest_are_kept_and_all_are_counted(cache: ListingCache) -> None:
    runs = [replace(RUN, run_id=f"{i:032x}") for i in range(MOST_RUNS + 1)]
    cache.save("a", Listing(runs, 1.0, len(runs)))
    found = present(cache.load("a"))
    assert list(found.runs) == runs[:MOST_RUNS]
    assert found.total == MOST_RUNS + 1


def test_no_password_is_in_the_files(
    cache: ListingCache, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter22")
    store = StoreConfig(tracking_uri="postgresql://me:hunter2@host/db")
    params = {"data": "https://me:hunter2@host/data", "note": "with hunter22 inside"}
    run = replace(RUN, params=params, tags={"repdyn.note": "token=hunter2"})
    cache.save(listing_key(store, ""), listing(run))
    (file,) = folder.iterdir()
    assert "hunter2" not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert present(cache.load(listing_key(store, ""))).runs[0].name == "vit"


def test_the_key_is_one_of_address_experiment_and_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    server = StoreConfig(tracking_uri="https://me:secret@host")
    keys = {
        listing_key(server, ""),
        listing_key(server, "params.opt = 'sgd'"),
        listing_key(replace(server, experiment="digits"), ""),
        listing_key(replace(server, tracking_uri="https://host/other"), ""),
    }
    assert len(keys) == 4
    # without the password: its digest could be searched for it
    assert listing_key(replace(server, tracking_uri="https://host"), "") in keys
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "digits")
    assert listing_key(server, "") == listing_key(replace(server, experiment="digits"), "")


def test_a_relative_address_counts_from_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    keys = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        keys |= {listing_key(StoreConfig(), "")}
        keys |= {listing_key(StoreConfig(tracking_uri="sqlite:///mlflow.db"), "")}
    assert len(keys) == 4


def changed(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda kept: kept.update(values)


def first_run(index: int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(kept: dict[str, Any]) -> None:
        kept["runs"][0][index] = value

    return change


FIELDS = listing_cache._FIELDS


@pytest.mark.parametrize(
    "change",
    [
        changed(format=0),
        changed(fields=["run_id"]),
        changed(read_at="yesterday"),
        changed(total=None),
        changed(runs=5),
        changed(runs=[["too", "few"]]),
        *(
            first_run(i, None)
            for i, name in enumerate(FIELDS)
            if name not in ("ended", "last_step")
        ),
        first_run(FIELDS.index("ended"), "x"),
        first_run(FIELDS.index("params"), {"opt": 3}),
        first_run(FIELDS.index("metrics"), {"test/acc": "x"}),
    ],
)
def test_a_file_of_another_version_or_type_is_ignored(
    cache: ListingCache, folder: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    cache.save("a", listing(RUN))
    (file,) = folder.iterdir()
    kept = json.loads(file.read_text())
    change(kept)
    file.write_text(json.dumps(kept))
    assert cache.load("a") is None
    cache.save("a", listing(RUN))
    assert cache.load("a") is not None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_damaged_file_is_ignored(cache: ListingCache, folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "a.json").write_bytes(content)
    assert cache.load("a") is None


def test_a_pipe_blocks_nothing(cache: ListingCache, folder: Path) -> None:
    folder.mkdir()
    os.mkfifo(folder / "a.json")
    assert cache.load("a") is None


def test_a_folder_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = ListingCache(tmp_path / "file" / "below")
    cache.save("a", listing(RUN))
    assert cache.load("a") is None


def test_the_files_not_written_for_longest_are_removed(cache: ListingCache, folder: Path) -> None:
    for i in range(MOST_FILES + 1):
        cache.save(f"k{i}", listing(RUN))
        os.utime(folder / f"k{i}.json", (i, i))
    cache.save("last", listing(RUN))
    names = {file.name for file in folder.iterdir()}
    assert len(names) == MOST_FILES
    assert {"last.json", f"k{MOST_FILES}.json"} <= names
    assert not {"k0.json", "k1.json"} & names


def test_the_folder_is_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert cache_folder() == Path("/cache/repdyn/lists")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "repdyn" / "lists"
