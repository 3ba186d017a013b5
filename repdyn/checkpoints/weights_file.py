"""Reads the weights in one checkpoint file. Nothing in it is unpickled, nothing of it is run.

A checkpoint of torch is a pickle, and holds more than weights: arguments, configurations, states of
random generators. torch's restricted unpickler builds tensors and containers and refuses any other
class; here it gets an inert placeholder for each, so that the file can be read without them.
"""

from __future__ import annotations

import json
import sys
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, TypeGuard

import torch
from safetensors.torch import load_file
from torch import Tensor

from repdyn.checkpoints.names import INDEX, shown
from repdyn.errors import UserError
from repdyn.regular_file import check_regular, read_regular

KEYS = (
    "state_dict",
    "model_state_dict",
    "model",
    "module",
    "net",
    "network",
    "weights",
    "params",
    "state_dict_ema",
    "model_ema",
    "ema",
)
"""Where training programs put the weights, in order of preference."""

WRAPPERS = ("module.", "_orig_mod.")
"""Prefixes that data parallelism and torch.compile add to all names."""

_RESAVE = "re-save its state_dict with torch.save or safetensors"
_MOST_INDEX_BYTES = 2**26
_LFS_POINTER = b"version https://git-lfs"
_EXTRA = "_extra_state"
"""What a module saves besides its tensors; anything."""

_DATA_MODULES = {
    "argparse",
    "collections",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "pathlib",
    "uuid",
    "zoneinfo",
}
_DATA_NAMES = {
    *(f"builtins.{kind.__name__}" for kind in (bool, int, float, str, list, tuple, dict)),
    *(f"builtins.{kind.__name__}" for kind in (object, frozenset, slice, range)),
    "copyreg._reconstructor",
    "functools.partial",
    "types.SimpleNamespace",
}
"""What checkpoints hold of the standard library. Anything else is a sign of an attack."""

_LEGACY_NAMES = (
    "argparse.Namespace",
    "numpy.core.multiarray._reconstruct",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "numpy.ndarray",
)
"""Classes that get a placeholder in files of torch < 1.6, whose classes cannot be listed."""

_loading = Lock()


class _Placeholder:
    """Stands for an object of a class that is not loaded."""

    def __new__(cls, *_args: object) -> _Placeholder:
        return super().__new__(cls)

    def __setstate__(self, _state: object) -> None:
        """Drop the state."""


class _DictPlaceholder:
    """Stands for a class that derives from dict: the unpickler fills no other type than these."""

    def __new__(cls, *_args: object) -> OrderedDict[str, Any]:  # type: ignore[misc]  # not its class: see above
        return OrderedDict()


def read_weights(
    path: Path, *, key: str | None = None, strip_prefix: str | None = None
) -> dict[str, Tensor]:
    """Read the weights in a file, on the CPU, mapped from the file where possible.

    Args:
        path: of a file of torch or safetensors, or the index of a sharded one.
        key: where the weights are in a file of torch, with dots for nested ones; None finds them.
        strip_prefix: removed from the names; names without it are left out. None removes what
            wrappers add to all names, "" removes nothing.

    Raises:
        UserError: the file is missing, damaged or hostile, or holds no weights.
    """
    try:
        if path.name.endswith(INDEX):
            weights = _read_shards(path, key)
        else:
            weights = _read_file(path, key)
    except OSError as error:
        at = error.filename or path  # of a shard
        raise UserError(f"{at}: cannot be read ({error.strerror or error})") from None
    return _stripped(weights, strip_prefix, path)


def _read_file(path: Path, key: str | None) -> dict[str, Tensor]:
    check_regular(path)
    with path.open("rb") as file:
        head = file.read(len(_LFS_POINTER))
    if not head:
        raise UserError(f"{path}: is empty; was it still being written?")
    if head == _LFS_POINTER:
        raise UserError(f"{path}: is a pointer of Git LFS; run git lfs pull")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path, key)
    return _weights_in(_read_torch(path, head), key, path)


def _read_safetensors(path: Path, key: str | None) -> dict[str, Tensor]:
    if key is not None:
        raise UserError(f"{path}: a safetensors file holds weights alone; omit key={key!r}")
    try:
        weights: dict[str, Tensor] = load_file(path)
    except Exception as error:  # safetensors raises its own, torch's and Python's
        reason = shown(str(error).splitlines()[:1])
        raise UserError(f"{path}: is truncated or not a safetensors file ({reason})") from None
    return weights


def _read_shards(path: Path, key: str | None) -> dict[str, Tensor]:
    """Read the files that an index of Hugging Face lists: `{"weight_map": {name: file}}`."""
    try:
        homes = json.loads(read_regular(path, _MOST_INDEX_BYTES))["weight_map"]
        named = {str(name): str(home) for name, home in homes.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(f"{path}: is not an index of sharded weights") from None
    weights: dict[str, Tensor] = {}
    for home in sorted(set(named.values())):
        if Path(home).name != home:
            raise UserError(f"{path}: lists {shown([home])}, which is not a file beside it")
        shard = _read_file(path.with_name(home), key)
        weights |= {name: shard[name] for name in shard if named.get(name) == home}
    missing = [name for name in named if name not in weights]
    if missing:
        raise UserError(f"{path}: {shown(missing)} is not in {named[missing[0]]}")
    return weights


def _read_torch(path: Path, head: bytes) -> object:
    """Return what torch.save wrote, with placeholders for all that is not tensors or containers."""
    zipped = head.startswith(b"PK\x03\x04")
    if not zipped and not head.startswith(b"\x80"):
        raise UserError(f"{path}: is not a checkpoint of torch; give files of torch.save")
    try:
        names = _names_to_replace(path) if zipped else _LEGACY_NAMES
        placeholders: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
            (_placeholder(name), name) for name in names
        ]
        # the placeholders hold for the whole process, and torch warns of what then fails
        with _loading, warnings.catch_warnings(), torch.serialization.safe_globals(placeholders):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except (UserError, OSError):
        raise
    except Exception:  # damaged and hostile files raise anything, in texts of many lines
        raise UserError(
            f"{path}: is damaged, or needs to be unpickled, which is not done; {_RESAVE}"
        ) from None


def _names_to_replace(path: Path) -> list[str]:
    """Return the classes and functions that a file names, other than those for tensors.

    Raises:
        UserError: there are some that checkpoints have no use for.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.filename.endswith("/constants.pkl") for entry in entries):
        raise UserError(f"{path}: is a TorchScript archive; {_RESAVE}")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise UserError(f"{path}: is compressed, so it cannot be mapped; {_RESAVE}")
    names = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))
    for name in names:
        module = name.partition(".")[0]
        harmless = module in _DATA_MODULES or name in _DATA_NAMES
        if not harmless and (module in sys.stdlib_module_names or module == "builtins"):
            raise UserError(
                f"{path}: refers to {name}, which no checkpoint needs, and was not loaded; "
                f"if you trust it, {_RESAVE}"
            )
    return names


def _placeholder(name: str) -> Callable[..., Any]:
    return _DictPlaceholder if "dict" in name.lower() else _Placeholder


def _weights_in(content: object, key: str | None, path: Path) -> dict[str, Tensor]:
    found = _found(content, path) if key is None else _at(content, key, path)
    if not _is_weights(found):
        raise UserError(f"{path}: key={key!r} holds no weights{_keys_of(found)}")
    weights = {name: value for name, value in found.items() if isinstance(value, Tensor)}
    empty = [name for name, value in weights.items() if value.is_meta]
    if empty:
        raise UserError(f"{path}: {shown(empty)} was saved on the meta device, without its values")
    return weights


def _at(content: object, key: str, path: Path) -> object:
    rest = key
    while rest:
        if not isinstance(content, Mapping):
            raise UserError(f"{path}: has no key {key!r}")
        # a key may have dots itself
        parts = rest.split(".")
        starts = [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
        start = next((start for start in starts if start in content), None)
        if start is None:
            raise UserError(f"{path}: has no key {key!r}{_keys_of(content)}")
        content, rest = content[start], rest[len(start) + 1 :]
    return content


def _found(content: object, path: Path) -> object:
    if _is_weights(content):
        return content
    if not isinstance(content, Mapping):
        what = "a pickled object" if isinstance(content, _Placeholder) else "no state_dict"
        raise UserError(f"{path}: holds {what} instead of weights; {_RESAVE}")
    with_weights = [key for key, value in content.items() if _is_weights(value)]
    known = [key for key in KEYS if key in with_weights]
    if known or len(with_weights) == 1:
        return content[(known or with_weights)[0]]
    if with_weights:
        raise UserError(f"{path}: holds weights at {shown(with_weights)}; give key")
    raise UserError(f"{path}: holds no weights{_keys_of(content)}; give key, or {_RESAVE}")


def _keys_of(content: object) -> str:
    """Return "; keys there: …" for a message, nothing if there are none."""
    if not isinstance(content, Mapping) or not content:
        return ""
    return f"; keys there: {shown([str(key) for key in content])}"


def _is_weights(content: object) -> TypeGuard[Mapping[str, object]]:
    return (
        isinstance(content, Mapping)
        and any(isinstance(value, Tensor) for value in content.values())
        and all(
            isinstance(name, str) and (isinstance(value, Tensor) or name.endswith(_EXTRA))
            for name, value in content.items()
        )
    )


def _stripped(weights: dict[str, Tensor], prefix: str | None, path: Path) -> dict[str, Tensor]:
    if prefix is None:
        for wrapper in WRAPPERS * 2:  # of a compiled model in data parallelism, or the reverse
            if weights and all(name.startswith(wrapper) for name in weights):
                weights = {name[len(wrapper) :]: value for name, value in weights.items()}
        return weights
    stripped = {
        name[len(prefix) :]: value for name, value in weights.items() if name.startswith(prefix)
    }
    if not stripped:
        raise UserError(f"{path}: no name begins with {prefix!r}; names there: {shown([*weights])}")
    return stripped
