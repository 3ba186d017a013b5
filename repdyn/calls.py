"""What a model's modules return, and when they run, in a forward pass over a few inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from torch import Tensor, nn

from repdyn import batches
from repdyn.batches import Batch, Forward, output_tensor
from repdyn.eval_mode import evaluating, random_states_kept
from repdyn.layer import tensors_of
from repdyn.wrappers import as_written


@dataclass(frozen=True)
class Span:
    """When a module ran: positions among the starts and ends of all calls."""

    start: int
    end: int


@dataclass(frozen=True)
class Call:
    """A module's call: its position among all recorded calls, and what it returned.

    `versions` are those of the output's tensors at the call: an in-place operation increments them.
    """

    place: int
    output: object
    versions: tuple[int, ...]

    def content(self, tensor: Tensor) -> tuple[object, ...]:
        """Return a key that tensors of two calls share only if they hold the same numbers."""
        axes = zip(tensor.shape, tensor.stride(), strict=True)
        return (*self.memory(tensor), *(axis for axis in axes if axis[0] != 1))

    def memory(self, tensor: Tensor) -> tuple[object, ...]:
        """Return a key that views of the same numbers share, also those with permuted axes."""
        tensors = tensors_of(self.output)
        version = next(v for t, v in zip(tensors, self.versions, strict=True) if t is tensor)
        return tensor.data_ptr(), version, tensor.numel()


Calls = dict[str, list[Call]]
"""By the paths of modules; the empty one is the model, whose call is its output."""

Hook = Callable[[nn.Module, object, object], None]
"""Takes a module, its inputs and its output."""


def spans(model: nn.Module, inputs: Batch, forward: Forward | None) -> dict[str, list[Span]]:
    """Return when each module ran in a forward pass; those that did not run are left out."""
    found: dict[str, list[Span]] = {}
    started: dict[str, list[int]] = {}
    places = count()

    def start(path: str, *_: object) -> None:
        started.setdefault(path, []).append(next(places))

    def end(path: str, *_: object) -> None:
        found.setdefault(path, []).append(Span(started[path].pop(), next(places)))

    modules = dict(model.named_modules())
    with ExitStack() as hooks:
        for path, module in modules.items():
            hooks.callback(module.register_forward_pre_hook(partial(start, path)).remove)
            hooks.callback(module.register_forward_hook(partial(end, path)).remove)
        _output(model, inputs, forward)
    return found


def recorded(
    model: nn.Module, paths: Iterable[str], inputs: Batch, forward: Forward | None
) -> Calls:
    """Return all calls of the modules at the paths; the model itself has one, its output."""
    calls: Calls = {path: [] for path in paths}
    places = count()

    def note(path: str, _module: nn.Module, _inputs: object, output: object) -> None:
        calls[path].append(_call(next(places), output))

    with hooked(model, [(path, partial(note, path)) for path in calls if path]):
        output = _output(model, inputs, forward)
    if "" in calls:
        found = output_tensor(output)
        calls[""].append(_call(next(places), output if found is None else found))
    return calls


def until(
    model: nn.Module, first: str, paths: Iterable[str], inputs: Batch, forward: Forward | None
) -> tuple[Calls, Call | None]:
    """Return the calls of modules until another one starts, and what that one is called with.

    Args:
        model: run in eval mode; its mode and the random state are restored.
        first: path of the module at whose first call recording stops.
        paths: of the modules whose calls are recorded.
        inputs: as the model takes them.
        forward: calls the model instead.
    """
    calls: Calls = {path: [] for path in paths}
    entered = list[Call]()
    places = count()

    def note(path: str, _module: nn.Module, _inputs: object, output: object) -> None:
        if not entered:
            calls[path].append(_call(next(places), output))

    def enter(_module: nn.Module, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        if not entered:
            entered.append(_call(next(places), (*args, *kwargs.values())))

    handle = model.get_submodule(first).register_forward_pre_hook(enter, with_kwargs=True)
    try:
        with hooked(model, [(path, partial(note, path)) for path in calls]):
            _output(model, inputs, forward)
    finally:
        handle.remove()
    return calls, entered[0] if entered else None


@contextmanager
def hooked(model: nn.Module, hooks: Iterable[tuple[str, Hook]]) -> Iterator[None]:
    """Call a hook with what the module at each path returns, whenever it runs."""
    with ExitStack() as stack:
        for path, hook in hooks:
            stack.callback(model.get_submodule(path).register_forward_hook(hook).remove)
        yield


def _call(place: int, output: object) -> Call:
    return Call(place, output, tuple(map(_version, tensors_of(output))))


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place; weights made in inference mode do not count."""
    return 0 if tensor.is_inference() else tensor._version


def _output(model: nn.Module, inputs: Batch, forward: Forward | None) -> object:
    """Return a model's output; outside inference mode, whose tensors do not count their changes."""
    with (
        torch.inference_mode(False),
        evaluating(model),
        as_written(model),
        random_states_kept(),
    ):
        return batches.called(model, batches.mapped(inputs, torch.clone), forward)
