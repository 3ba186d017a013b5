"""Loads the weights of a checkpoint into a model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from repdyn.checkpoints.names import shown
from repdyn.checkpoints.source import Checkpoint
from repdyn.errors import UserError

_EXTRA = "_extra_state"
_ROTARY = r"rotary_emb\.inv_freq"
"""A buffer that models of Hugging Face once saved and now compute, as transformers knows itself."""


def load_weights(
    model: nn.Module, checkpoint: Checkpoint | Mapping[str, Tensor], *, strict: bool = True
) -> None:
    """Load a checkpoint's weights into a model, in place.

    Tied weights need to be in the checkpoint once, and names that a model of Hugging Face ignores
    are ignored. Weights that are not finite are loaded as they are.

    Args:
        model: of the architecture that was saved.
        checkpoint: a checkpoint of a source, or a state_dict.
        strict: whether missing and unexpected names are an error; a wrong shape always is.

    Raises:
        UserError: the checkpoint is of another architecture; the model may be partly loaded.
    """
    if isinstance(checkpoint, Checkpoint):
        weights, place = checkpoint.weights, checkpoint.name
    else:
        weights, place = checkpoint, "checkpoint"
    own = model.state_dict(keep_vars=True)
    shapes = ""
    try:
        # the model's own hooks may accept names of earlier versions, so it is asked
        result = model.load_state_dict(weights, strict=False)
        missing, unexpected = result.missing_keys, result.unexpected_keys
    except (RuntimeError, TypeError) as error:
        shapes = _mismatch(own, weights) or " ".join(str(error).split())[:200]
        missing = [name for name in own if name not in weights]
        unexpected = [name for name in weights if name not in own]
    none_used = len(unexpected) == len(weights)
    missing = _really_missing(missing, own)
    unexpected = [name for name in unexpected if not _is_ignored(name, model)]
    if shapes or none_used or (strict and (missing or unexpected)):
        parts = [shapes, _count(missing, "missing"), _count(unexpected, "unexpected")]
        reasons = ", ".join(part for part in parts if part)
        hint = _prefix_hint(missing, unexpected)
        raise UserError(f"{place}: does not match the model: {reasons}{hint}")


def _really_missing(missing: Sequence[str], own: Mapping[str, Tensor]) -> list[str]:
    """Return the names that are missing, without those of weights that have another name."""
    absent = set(missing)
    loaded = {id(value) for name, value in own.items() if name not in absent}
    return [name for name in missing if id(own.get(name)) not in loaded and not _is_extra(name)]


def _is_extra(name: str) -> bool:
    """Return whether a name is that of what is no tensor, which sources leave out."""
    return name.endswith(_EXTRA)


def _is_ignored(name: str, model: nn.Module) -> bool:
    patterns: Collection[str] | None = getattr(model, "_keys_to_ignore_on_load_unexpected", None)
    return patterns is not None and any(re.search(one, name) for one in (*patterns, _ROTARY))


def _mismatch(own: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    other = [
        name
        for name, value in own.items()
        if isinstance(weights.get(name), Tensor)
        and not is_lazy(value)
        and value.shape != weights[name].shape
    ]
    if not other:
        return ""
    first = other[0]
    shapes = f"{tuple(weights[first].shape)}, the model's is {tuple(own[first].shape)}"
    return f"{len(other)} of {len(own)} shapes differ ({first}: {shapes})"


def _count(names: Sequence[str], what: str) -> str:
    return f"{len(names)} {what} ({shown(names)})" if names else ""


def _prefix_hint(missing: Sequence[str], unexpected: Sequence[str]) -> str:
    """Return what to do if the names differ by a prefix."""
    for name in missing[:1]:
        for other in unexpected:
            if other.endswith(f".{name}"):
                return f"; give strip_prefix={other.removesuffix(name)!r}"
    return ""
