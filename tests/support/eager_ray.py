"""A stand-in for Ray that runs each task at once, in this process, on pickled copies of its arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.exceptions import RayTaskError

from repdyn.runs import ray_measuring
from repdyn.runs.child import Resources
from repdyn.runs.provenance import CommandLine


@dataclass(frozen=True, eq=False)
class Reference:
    content: bytes
    fault: BaseException | None = None


@dataclass
class EagerRay:
    """What `ray_measuring` uses of Ray.

    Attributes:
        at_once: tasks that its cluster runs at once.
        ran: names of the tasks that were run, in order.
        options: what the tasks were to use, in order of their functions.
        fail: called with a task's name before it runs; may raise.
    """

    at_once: int = 1
    ran: list[str] = field(default_factory=list)
    options: list[dict[str, Any]] = field(default_factory=list)
    fail: Callable[[str], None] = lambda _: None
    exceptions = ray.exceptions
    cloudpickle = cloudpickle

    def put(self, value: object) -> Reference:
        return Reference(cloudpickle.dumps(value))

    def get(self, reference: Reference) -> Any:
        if reference.fault is not None:
            raise reference.fault
        return cloudpickle.loads(reference.content)

    def cancel(self, reference: Reference) -> None:
        self.ran.append("cancelled")

    def remote(self, **options: Any) -> Callable[[Callable[..., Any]], Any]:
        self.options.append(options)

        def task(function: Callable[..., Any]) -> Any:
            return _Task(self, function)

        return task

    @contextmanager
    def connected(self, address: str, resources: Resources) -> Iterator[int]:
        yield self.at_once

    def install(self, patch: Any) -> EagerRay:
        ray_measuring._worker.cache_clear()
        patch.setattr(ray_measuring, "ray", self)
        patch.setattr(ray_measuring, "connected", self.connected)
        # restored after the test: its tasks are run in this process, where they stand in for it
        patch.setattr(CommandLine, "started_by", CommandLine.started_by)
        patch.chdir(Path.cwd())
        return self


@dataclass
class _Task:
    eager: EagerRay
    function: Callable[..., Any]

    def remote(self, *arguments: Any) -> Reference:
        name = self.function.__name__.strip("_")
        try:
            given = [self.eager.get(a) if isinstance(a, Reference) else a for a in arguments]
            self.eager.ran.append(name)
            self.eager.fail(name)
            return self.eager.put(self.function(*given))
        except RayTaskError as fault:  # of a task that this one needs
            return Reference(b"", fault)
        except ray.exceptions.RayError as fault:
            return Reference(b"", fault)
        except Exception as fault:
            return Reference(b"", RayTaskError(name, "", fault))
