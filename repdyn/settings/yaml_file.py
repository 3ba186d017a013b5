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

_WHOLE_NUMBER, _MOST_DIGITS = "tag:yaml.org,2002:int", 100
"""Python writes no number of thousands of digits as text."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the settings that a file gives, as YAML reads them; those without a value are left out.

    Raises:
        UserError: the file cannot be read, is too large, is no YAML or no mapping.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"--config {path}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"--config {path}: no YAML: {error}") from None
    return parse_mapping(f"--config {path}", content, "write settings as `name: value` lines")


def parse_mapping(source: str, content: bytes, advice: str) -> dict[str, Any]:
    """Return the values by name that YAML gives; those without a value are left out.

    Args:
        source: for the message.
        content: of the file.
        advice: what to do where it is no mapping.

    Raises:
        UserError: it is no YAML or no mapping.
    """
    import yaml

    try:
        values = _parsed(content.decode("utf-8"))
    except RecursionError:
        raise UserError(f"{source}: no YAML: nested too deep") from None
    # its constructors let through what strange tags and values lead them to
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UserError(f"{source}: no YAML: {' '.join(str(error).split())[:200]}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise UserError(f"{source}: {advice}")
    return {str(name): value for name, value in values.items() if value is not None}


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
        node = rest.pop()
        value = node.value
        if node.tag == _WHOLE_NUMBER and len(value) > _MOST_DIGITS:
            raise ValueError(f"a number of more than {_MOST_DIGITS} digits")
        for each in value if isinstance(value, list) else ():  # of a mapping, pairs
            rest += each if isinstance(each, tuple) else (each,)
    raise ValueError(f"more than {MOST_VALUES:,} values, or one that holds itself")
