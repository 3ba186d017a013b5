"""Settings from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repdyn.errors import UserError
from repdyn.regular_file import read_regular

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 2**18
MOST_VALUES = 10_000
"""Of a file, aliases written out: a value that holds itself has more than any number of them."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the settings that a file gives, as YAML reads them; those without a value are left out.

    Raises:
        UserError: the file cannot be read, is too large, is no YAML or no mapping.
    """
    import yaml

    try:
        settings = _parsed(read_regular(path, MOST_BYTES).decode("utf-8"))
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from None
    except RecursionError:
        raise UserError(f"--config {path}: no YAML: nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:  # also of a date or text that is none
        raise UserError(f"--config {path}: no YAML: {' '.join(str(error).split())}") from None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise UserError(f"--config {path}: write settings as `name: value` lines")
    return {str(name): value for name, value in settings.items() if value is not None}


def _parsed(text: str) -> object:
    """Return what YAML says; its size is known before aliases and merges are written out."""
    import yaml

    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_size(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_size(root: yaml.Node) -> None:
    """Count the values below a node, one that several aliases name each time.

    Raises:
        ValueError: they are more than MOST_VALUES.
    """
    rest: list[Any] = [root]
    for _ in range(MOST_VALUES):
        if not rest:
            return
        value = rest.pop().value
        for each in value if isinstance(value, list) else ():  # of a mapping, pairs
            rest += each if isinstance(each, tuple) else (each,)
    raise ValueError(f"more than {MOST_VALUES:,} values, or one that holds itself")
