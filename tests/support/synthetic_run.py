"""A small run written through the real writer, by a process that may be killed."""

from __future__ import annotations

import os
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import repdyn.runs.train  # noqa: F401 (loaded once, before processes are forked)
from repdyn.errors import UnsentError
from repdyn.settings.schema import StoreConfig
from repdyn.storage import schema, writer
from repdyn.storage.delivery import drain, metric_batch
from repdyn.storage.delivery.disk_queue import DiskQueue
from repdyn.storage.delivery.drain import drain_run
from repdyn.storage.writer import RunWriter

EPOCHS = 4
PARAMS = {"opt": "sgd", "lr": "0.1"}
PATIENT = 120.0
SHOWN = 0, EPOCHS - 1
"""Epochs with a model, which goes with its weights, and an image."""
IMAGE = "similarity/cka"
UNSENT = UnsentError.exit_code


def write(uri: str, folder: Path, name: str, patience: float, opened: Connection) -> None:
    """Write a run; says its id when it is opened, and waits until the faults may begin."""
    _prepare(folder, patience)
    run = RunWriter.create(StoreConfig(tracking_uri=uri), name, PARAMS, {"repdyn.note": name})
    opened.send(run.run_id)
    opened.recv()
    _log(run, pause=0.02)


def go_on(uri: str, folder: Path, run_id: str) -> None:
    """Go on with a run whose process was killed: send what it left, then log all of it."""
    _prepare(folder, PATIENT)
    store = StoreConfig(tracking_uri=uri)
    drain_run(run_id, store)
    _log(RunWriter.restart(store, run_id), pause=0.0)


def _prepare(folder: Path, patience: float) -> None:
    os.chdir(folder)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(said, stream)
    hurried = partial(DiskQueue, pauses=(0.01, 0.05), patience=patience)
    writer.DiskQueue = hurried  # type: ignore[attr-defined,assignment]  # a stand-in
    metric_batch.METRIC_SECONDS = 0.0
    drain.PAUSE = 0.01


def _log(run: RunWriter, pause: float) -> None:
    try:
        with run:
            run.log_input("digits", "sklearn", "train", {"images": 3})
            for epoch in range(EPOCHS):
                run.log_metrics(epoch, {"train/acc": epoch / 4, "train/loss": 1 / (1 + epoch)})
                run.put(schema.checkpoint_path(epoch), bytes([epoch]) * 5000)
                run.put("dynamics/cka.npy", bytes([epoch]) * (100 + epoch))
                if epoch:
                    run.remove(schema.checkpoint_path(epoch - 1))
                if epoch in SHOWN:
                    run.log_model(epoch)
                    run.log_image(IMAGE, epoch, bytes([epoch]) * 200, bytes([epoch]) * 50)
                elif epoch - 1 in SHOWN:
                    run.remove_model(epoch - 1)
                run.set_tag(schema.LAST_CHECKPOINT_TAG, str(epoch))
                run.log_state(bytes([epoch]) * 3000)  # of one size and path
                time.sleep(pause)
    except UnsentError as error:
        print(error, flush=True)
        os._exit(UNSENT)
