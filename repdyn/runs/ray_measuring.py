"""Checkpoints measured side by side, as tasks of Ray.

Each checkpoint is three tasks: its features; the fit of its probes, which starts from those of the
checkpoint before; and its Gram matrices and label maps, which take most of the time. Comparing the
checkpoints with each other is left to the caller. The tasks are the parts of `Recorder.measure`, so
the results are the same, bit for bit where each process computes with as many threads.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from repdyn import batches
from repdyn.errors import UserError
from repdyn.measures.clock import Clock
from repdyn.measures.inputs import Inputs
from repdyn.measures.layer_probes import LayerProbes
from repdyn.measures.passes import Features, Fitted, Observed, Passes
from repdyn.measures.recorder import Recorder
from repdyn.runs.provenance import CommandLine, device_name
from repdyn.runs.ray_cluster import RETRIES, connected, ray, stand_in
from repdyn.runs.ray_tasks import RayTasks, resources_of
from repdyn.training.loop import pick_device

AHEAD = 2
"""Checkpoints in flight for each task that runs at once: enough that no worker waits for another."""

Seconds = Mapping[str, float]


@dataclass(frozen=True)
class Elsewhere:
    """A checkpoint that a worker has measured, and the name of the worker's device."""

    observed: Observed
    device: str


class Cluster:
    """A connected cluster that measures checkpoints.

    Args:
        tasks: what they may use.
        at_once: how many run at once.
    """

    def __init__(self, tasks: RayTasks, at_once: int) -> None:
        self._tasks, self._most = tasks, AHEAD * at_once

    def measured(
        self,
        model: nn.Module,
        load: Callable[[nn.Module, Any], None],
        recorder: Recorder,
        checkpoints: Iterable[tuple[int, Any]],
    ) -> Iterator[Elsewhere]:
        """Yield the checkpoints in their order, as soon as each is measured.

        Args:
            model: of which each worker gets a copy.
            load: loads a checkpoint's content into it.
            recorder: to measure with; the checkpoints are not added to it.
            checkpoints: steps, each with what `load` takes; read as workers become free.

        Raises:
            UserError: a checkpoint cannot be read or measured, or workers die again and again.
        """
        used = resources_of(self._tasks)
        on_cpu = ray.remote(max_retries=RETRIES, num_cpus=used.cpus)
        on_device = ray.remote(max_retries=RETRIES, num_cpus=used.cpus, num_gpus=used.gpus)
        features, fit, observe = on_device(_features), on_cpu(_fit), on_device(_observe)
        if recorder.passes is None:
            raise UserError("there are no inputs to measure a model on; give inputs")
        job = _Job.of(model, load, recorder.passes, self._tasks)
        # in a tuple: Ray replaces an argument that is a reference by what it refers to
        shared = (ray.put(job),)
        before: Any = ray.put((recorder.probes, {}))
        waiting: deque[tuple[int, Any]] = deque()
        fault: UserError | None = None
        try:
            for step, content in _until_fault(checkpoints):
                if isinstance(content, UserError):
                    fault = content
                    break
                kept = ray.put(content)
                before = fit.remote(shared, features.remote(shared, kept), before)
                waiting.append((step, observe.remote(shared, kept, step, before)))
                if len(waiting) >= self._most:
                    yield _result(*waiting.popleft())
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            for _, task in waiting:
                ray.cancel(task)
        if fault is not None:
            raise fault


@contextmanager
def connected_cluster(tasks: RayTasks) -> Iterator[Cluster]:
    """Connect to the cluster that the tasks run on.

    Raises:
        SettingError: there is none, or it lacks the resources.
    """
    with connected(tasks.address, resources_of(tasks)) as at_once:
        yield Cluster(tasks, at_once)


def _until_fault(checkpoints: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    """Yield checkpoints; an error in reading one in its place: those before it are still measured."""
    try:
        yield from checkpoints
    except UserError as error:
        yield -1, error


def _result(step: int, task: Any) -> Elsewhere:
    """Return what a task has measured, when it has."""
    try:
        # arrays from Ray are views of its memory, which would stay in use as long as they do
        found: Elsewhere = copy.deepcopy(ray.get(task))
    except ray.exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        raise (cause if isinstance(cause, UserError) else error) from None
    except ray.exceptions.RayError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"step {step}: its Ray worker died {RETRIES + 1} times ({reason}); give each task more "
            "memory by `cpus_per_task`, or see Ray's logs"
        ) from None
    return found


@dataclass(frozen=True)
class _Job:
    """What a worker measures with, in bytes: the content can be loaded once `setup` was called."""

    folder: str
    command: str
    setup: bytes
    content: bytes

    @classmethod
    def of(
        cls,
        model: nn.Module,
        load: Callable[[nn.Module, Any], None],
        passes: Passes,
        tasks: RayTasks,
    ) -> _Job:
        """Return the job of a model and its inputs."""
        # not all processes can read from the device that they may be on
        elsewhere = any(weight.device.type != "cpu" for weight in model.parameters())
        on_cpu = copy.deepcopy(model).cpu() if elsewhere else model
        inputs, wanted = _moved(passes.inputs, "cpu"), "cuda" if tasks.gpus_per_task else "cpu"
        dumps: Callable[[Any], bytes] = ray.cloudpickle.dumps
        try:
            content = dumps((on_cpu, wanted, load, passes.layers, inputs, passes.settings))
        except Exception as error:  # a model or its inputs may hold anything
            reason = (str(error).splitlines() or [""])[0]
            raise UserError(
                f"ray: the model or its inputs cannot be sent to other processes "
                f"({type(error).__name__}: {reason}); measure without Ray"
            ) from error
        return cls(str(Path.cwd()), CommandLine.text(), dumps(tasks.setup), content)


@dataclass(frozen=True)
class _Worker:
    """A job as one worker does it."""

    model: nn.Module
    load: Callable[[nn.Module, Any], None]
    passes: Passes

    def prepared(self, content: Any, clock: Clock) -> nn.Module:
        """Return the model with a checkpoint's weights, as it is measured."""
        self.load(self.model, content)
        return self.passes.prepared(self.model, clock)


@lru_cache(maxsize=1)
def _worker(shared: Any) -> _Worker:
    job = ray.get(shared)
    stand_in(job.folder, job.command)
    loads: Callable[[bytes], Any] = ray.cloudpickle.loads
    setup = loads(job.setup)
    if setup is not None:
        setup()
    model, wanted, load, layers, inputs, settings = loads(job.content)
    device = pick_device(wanted)
    return _Worker(model.to(device), load, Passes(layers, _moved(inputs, device), settings))


def _features(shared: tuple[Any], content: Any) -> tuple[Features | None, Seconds]:
    worker, clock = _worker(*shared), Clock()
    if worker.passes.inputs.probed is None:
        return None, {}
    found = worker.passes.features(worker.prepared(content, clock), clock)
    return None if found is None else found.on_cpu(), clock.seconds


def _fit(
    shared: tuple[Any],
    found: tuple[Features | None, Seconds],
    before: tuple[Fitted | LayerProbes, Seconds],
) -> tuple[Fitted, Seconds]:
    clock, last = Clock(found[1]), before[0]
    probes = last.probes if isinstance(last, Fitted) else last
    fitted = _worker(*shared).passes.fitted(found[0], probes, clock)
    return fitted, clock.seconds


def _observe(
    shared: tuple[Any], content: Any, step: int, found: tuple[Fitted, Seconds]
) -> Elsewhere:
    worker, (fitted, seconds) = _worker(*shared), found
    clock, passes = Clock(seconds), worker.passes
    model = worker.prepared(content, clock)
    by_measure = passes.engines(with_maps=passes.has_maps(fitted))
    observed = passes.observed(model, step, fitted, by_measure, clock)
    device = device_name(batches.device_of(model, passes.inputs.reference))
    return Elsewhere(observed, device)


def _moved(inputs: Inputs, device: torch.device | str) -> Inputs:
    """Return inputs on a device."""

    def moved(x: Tensor) -> Tensor:
        return x.to(device)

    there = copy.copy(inputs)
    there.reference = batches.mapped(inputs.reference, moved)
    there.train = None if inputs.train is None else batches.mapped(inputs.train, moved)
    there.anchors = None if inputs.anchors is None else moved(inputs.anchors)
    return there
