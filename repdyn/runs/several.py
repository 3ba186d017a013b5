"""`repdyn train` in the processes of `torchrun`: rank zero measures and logs, the others follow it."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from repdyn.errors import SettingError, UserError
from repdyn.runs.experiment import Experiment, prepare
from repdyn.settings.schema import TrainConfig
from repdyn.training.loop import Trainer, pick_device
from repdyn.training.replicas import ONE, PATIENCE, Distributed, Replicas, is_lost_connection


@dataclass(frozen=True)
class Start:
    """What the other processes need to train along.

    Attributes:
        run_id: of the run.
        config: fully resolved.
        state: of the trainer of a stopped run; None to start from the beginning.
    """

    run_id: str
    config: TrainConfig
    state: Mapping[str, Any] | None


@contextmanager
def joined() -> Iterator[Replicas]:
    """Yield this process's place among those that `torchrun` started; alone, it is `ONE`.

    The processes other than rank zero `follow`.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield ONE
        return
    # a remark on speed that each process would make, of weights whose strides are ambiguous
    warnings.filterwarnings("ignore", "Grad strides do not match bucket view strides")
    store, rank, size = next(iter(rendezvous("env://")))
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=PATIENCE)
    replicas = Distributed(store)
    try:
        yield replicas
    finally:
        with suppress(RuntimeError):  # the others may be gone
            if rank == 0:
                replicas.send(None)
                replicas.end()
            dist.destroy_process_group()


def _take_gpu(config: TrainConfig) -> None:
    """Use the GPU of this process's number on this machine, if GPUs are used.

    Raises:
        SettingError: there are fewer GPUs than processes.
    """
    if pick_device(config.optim.device).type != "cuda":
        return
    here, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if here < there:
        torch.cuda.set_device(here)
        return
    if here > there:  # the first one too many says so
        sys.exit(2)
    raise SettingError(
        "device",
        config.optim.device,
        f"there are only {there} GPUs for the processes on this machine; start at most {there}",
    )


def new_trainer(experiment: Experiment, replicas: Replicas) -> Trainer:
    """Return the trainer of an experiment, at its start."""
    config = experiment.config
    replicas.compute_on(experiment.device)
    torch.manual_seed(config.optim.seed)
    return Trainer(
        experiment.new_model(),
        experiment.data,
        config.optim,
        epochs=experiment.epochs,
        batch_size=experiment.batch_size,
        augment=config.data.augment,
        replicas=replicas,
    )


def start_others(replicas: Replicas, start: Start) -> None:
    """Have the other processes train along.

    Raises:
        SettingError: several processes cannot train this.
    """
    if replicas.size > 1 and start.config.optim.compile:
        raise SettingError("compile", None, "is for one process; leave it out under torchrun")
    replicas.send(start)


def follow() -> None:
    """Train along with rank zero, which alone reads settings, prints, measures and logs.

    Raises:
        UserError: another process died, and no process has said so yet.
    """
    _on_stop(signal.SIG_DFL)  # at once: a handler would not run while this waits for rank zero
    with joined() as replicas:
        if isinstance(replicas, Distributed):
            _follow(replicas)


def _on_stop(action: signal.Handlers) -> None:
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, action)


def _follow(replicas: Distributed) -> None:
    run_id = ""
    try:
        start = replicas.received()
        if start is None:
            return
        _on_stop(signal.SIG_IGN)  # from now on rank zero decides when to stop
        run_id = start.run_id
        _take_gpu(start.config)
        trainer = new_trainer(prepare(start.config), replicas)
        if start.state is not None:
            trainer.load_state(start.state)
        for epoch in trainer:
            if not epoch.finite and start.config.optim.on_nan == "stop":
                return
    except RuntimeError as error:
        if not is_lost_connection(error):
            raise
        raise_lost(replicas, run_id)


def raise_lost(replicas: Distributed, run_id: str) -> NoReturn:
    """End after another process is gone: in the first process that notices, with a line."""
    with suppress(RuntimeError):  # the store may be gone, too
        if not replicas.is_over and replicas.speaks_first:
            raise UserError(lost(run_id))
    sys.exit(1)


def lost(run_id: str) -> str:
    """Return what to do after a process of a training is gone."""
    again = f"; resume it with `resume {run_id[:8]}`" if run_id else ""
    return f"another process of this training died, so that it ended{again}"
