"""A training's state as one file: tensors as safetensors, everything else as JSON in its header.

torch.save would pickle it, and the file may be untrusted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor

_TREE = "state"
_DTYPES = {str(each): each for each in vars(torch).values() if isinstance(each, torch.dtype)}
_LENGTH_BYTES = 8
"""Size of the header length at the start of a safetensors file."""


def encode(tree: Mapping[str, Any]) -> bytes:
    """Return a tree of mappings, lists, tuples, plain values, types and tensors as a file.

    Raises:
        TypeError: it contains anything else.
    """
    tensors = _Tensors()
    said = _said(tree, tensors)
    return save(tensors.named, {_TREE: json.dumps(said)})


def decode(content: bytes) -> Any:
    """Return the tree of a file.

    Raises:
        Exception: it is damaged; the type depends on how.
    """
    tensors = load(content)
    end = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    header = json.loads(content[_LENGTH_BYTES:end])
    return _meant(json.loads(header["__metadata__"][_TREE]), tensors)


class _Tensors:
    """The tensors of a tree, by name; none shares memory with another, which safetensors refuses."""

    def __init__(self) -> None:
        self.named: dict[str, Tensor] = {}
        self._places: set[int] = set()

    def add(self, tensor: Tensor) -> str:
        """Add a tensor; return its name."""
        tensor = tensor.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        name = str(len(self.named))
        self.named[name] = tensor.clone() if place in self._places else tensor
        self._places.add(place)
        return name


def _said(value: object, tensors: _Tensors) -> Any:
    """Encode a value as JSON; what JSON lacks becomes an object with its kind."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case list():
            return [_said(each, tensors) for each in value]
        case tuple():
            return {"tuple": [_said(each, tensors) for each in value]}
        case Mapping():
            # a list: an optimizer's state has numbers as keys
            return {"mapping": [[_key(k), _said(v, tensors)] for k, v in value.items()]}
        case torch.dtype():
            return {"dtype": str(value)}
        case Tensor():
            order = _order(value)
            return {"tensor": tensors.add(value.permute(order)), "order": order}
    raise TypeError(f"a {type(value).__name__} in a state")


def _meant(said: Any, tensors: Mapping[str, Tensor]) -> Any:
    match said:
        case {"tensor": name, "order": order}:
            return tensors[name].permute(sorted(range(len(order)), key=order.__getitem__))
        case {"dtype": name}:
            return _DTYPES[name]
        case {"tuple": values}:
            return tuple(_meant(each, tensors) for each in values)
        case {"mapping": items}:
            return {_key(key): _meant(value, tensors) for key, value in items}
        case dict():
            raise ValueError("an object of unknown kind")
        case list():
            return [_meant(each, tensors) for each in said]
    return said


def _key(key: object) -> str | int:
    if not isinstance(key, str | int):
        raise TypeError(f"a {type(key).__name__} as a key in a state")
    return key


def _order(tensor: Tensor) -> list[int]:
    """Return the dimensions in memory order, outermost first.

    Tensors are restored in that order: sums in another order round differently, and momentum with
    the same layout as its weights is added to them faster.
    """
    return sorted(range(tensor.dim()), key=lambda each: -tensor.stride()[each])
