"""Chooses the watched layers of a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import filter as fitting

from torch import nn

from repdyn.batches import Batch, Forward
from repdyn.dry_pass import LeftOut, Seen, dry_pass, few, grouped
from repdyn.errors import SettingError, UserError
from repdyn.layer import Layer
from repdyn.layers.candidates import Candidates, candidates
from repdyn.pattern import matching
from repdyn.wrappers import unwrapped

MOST_VALUES = 2**22
"""Of a layer's output per input, unless the layer is asked for."""


@dataclass(frozen=True)
class Choice:
    """The layers of a model.

    Attributes:
        layers: to watch, in order of depth.
        left_out: those that cannot be watched, and why.
    """

    layers: tuple[Layer, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def notice(self) -> str:
        """One line about the layers left out or watched in part; empty if there are none."""
        reused = ", ".join(layer.name for layer in self.layers if layer.reused)
        parts = [
            f"layers not watched: {grouped(self.left_out)}" if self.left_out else "",
            f"run several times per pass, only the last is watched: {reused}" if reused else "",
        ]
        return "; ".join(part for part in parts if part)


def watched_layers(
    model: nn.Module,
    layers: str | Sequence[str] = "",
    inputs: Batch | None = None,
    forward: Forward | None = None,
) -> tuple[Layer, ...]:
    """Return the layers to watch, in order of depth; warn about those that cannot be watched.

    A ResNet's are its stem, every residual block and the logits; those of a transformer the
    embeddings of patches or tokens, every block and the logits; of any model with repeated blocks,
    wherever they are nested, what enters the first block, the blocks and the logits. Of other
    models they are the children that hold parameters. DataParallel, DistributedDataParallel and
    compiled modules are those within them: paths are relative to `unwrapped(model)`. The names of
    layers within another sole wrapper, such as a LightningModule, do not begin with its path.

    Args:
        model: any module; its own output is the layer `logits`.
        layers: a regular expression that selects layers by name, or names and globs. A name may
            also be the path of any other module, which is then watched; a glob that fits no layer
            selects modules, its `*` within one part of a path. A layer that is selected is watched
            even if it runs more than once per pass (its last call is), or is very large.
        inputs: some inputs as the model takes them, for a few passes over two of them that
            determine what enters the first block, each layer's layout, and which layers do not run,
            run more than once, return no tensor that counts the inputs, repeat the output of
            another or are too large. Without them the choice and the layout are guesses that the
            first measurement checks.
        forward: calls the model instead; its result is the model's output.

    Raises:
        UserError: nothing matches, or a selected layer cannot be watched; says which and why.
    """
    choice = choose_layers(model, layers, inputs, forward)
    if choice.notice:
        warnings.warn(choice.notice, stacklevel=2)
    return choice.layers


def choose_layers(
    model: nn.Module,
    layers: str | Sequence[str] = "",
    inputs: Batch | None = None,
    forward: Forward | None = None,
) -> Choice:
    """Return the layers to watch and those that are left out; arguments as in `watched_layers`.

    Raises:
        UserError: as in `watched_layers`.
    """
    inputs = None if inputs is None else few(inputs)
    known = candidates(unwrapped(model), inputs, forward)
    seen = _seen(known, inputs, forward)
    names, others = _selected(layers, seen, known)
    if others:
        known = replace(known, layers=(*others, *known.layers))
        seen = _seen(known, inputs, forward)
        names |= {one.name for layer in others for one in (layer, *known.opened(layer))}
    picked = {one.layer.name: one for one in seen if one.layer.name in names}.values()
    reasons = [(one, one.reason if layers else _reason(one)) for one in picked]
    left_out = [LeftOut(one.layer.name, reason) for one, reason in reasons if reason]
    if layers and left_out:
        raise SettingError("layers", _said(layers), f"cannot watch {grouped(left_out)}")
    readable = [one for one, reason in reasons if not reason]
    repeats = _repeats(readable)
    left_out += repeats
    kept = [one for one in readable if one.layer.name not in {left.name for left in repeats}]
    if not kept:
        raise UserError(f"no layer can be watched: {grouped(left_out)}")
    return Choice(tuple(replace(one.layer, reused=one.calls > 1) for one in kept), tuple(left_out))


def _seen(known: Candidates, inputs: Batch | None, forward: Forward | None) -> list[Seen]:
    """Return the candidates as they run, or as they are registered if there are no inputs."""
    if inputs is not None:
        return dry_pass(known.model, known.layers, inputs, known.opened, forward)
    paths = known.model.named_modules(remove_duplicate=False)
    places = {path: place for place, (path, _) in enumerate(paths)}
    places[""] = len(places)
    seen = [Seen(layer, 1, places[layer.module]) for layer in known.layers]
    return sorted(seen, key=lambda one: one.place)


def _selected(
    layers: str | Sequence[str], seen: Sequence[Seen], known: Candidates
) -> tuple[set[str], list[Layer]]:
    """Return the names of the selected candidates, and selected modules that are none.

    Raises:
        UserError: the expression, or one of the names, matches nothing.
    """
    names = [one.layer.name for one in seen]
    if isinstance(layers, str):
        found = {layers: matching(layers, names)}
    elif layers:
        found = {n: [n] if n in names else fitting(names, n) for n in layers}
    else:
        found = {"": names}
    others = {entry: known.modules(entry) for entry, chosen in found.items() if not chosen}
    for entry, modules in others.items():
        if not modules:
            there = ", ".join(one.layer.name for one in seen if not one.reason)
            raise SettingError("layers", entry, f"matches none of the layers {there}")
    return set().union(*found.values()), [layer for own in others.values() for layer in own]


def _reason(seen: Seen) -> str:
    """Return why a layer that is not asked for is left out; empty if it is watched."""
    if not (seen.repeatedly or seen.reason) and seen.values > MOST_VALUES:
        return f"returns {seen.values:,} values per input, more than {MOST_VALUES:,}"
    return seen.repeatedly or seen.reason


def _repeats(seen: Sequence[Seen]) -> list[LeftOut]:
    """Return the layers whose output is that of the model or, if not, of one that runs earlier."""
    found, names = list[LeftOut](), dict[object, str]()
    for one in sorted(seen, key=lambda one: one.layer.module != ""):
        first = names.setdefault(one.content or one.layer, one.layer.name)
        if first != one.layer.name:
            found.append(LeftOut(one.layer.name, f"repeats the output of {first}"))
    return found


def _said(layers: str | Sequence[str]) -> str:
    return layers if isinstance(layers, str) else ", ".join(layers)
