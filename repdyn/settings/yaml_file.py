"""Settings from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from repdyn.errors import SettingError
from repdyn.regular_file import read_regular

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 2**18
MOST_VALUES = 10_000
"""Per file, with aliases expanded: a value that contains itself exceeds any limit."""

_WHOLE_NUMBER, _MOST_DIGITS = "tag:yaml.org,2002:int", 100
"""Python does not convert numbers of thousands of digits to text."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the settings in a YAML file; those without a value are omitted.

    Raises:
        SettingError: the file cannot be read, is too large, is invalid YAML or not a mapping.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except OSError as error:
        raise SettingError("config", path, str(error.strerror)) from None
    except ValueError as error:
        raise SettingError("config", path, f"invalid YAML: {error}") from None
    try:
        return parse_mapping(content, "write settings as `name: value` lines")
    except ValueError as error:
        raise SettingError("config", path, str(error)) from None


def parse_mapping(content: bytes, advice: str) -> dict[str, Any]:
    """Return the values of a YAML mapping by name; empty ones are omitted.

    Args:
        content: of the file.
        advice: what to do if it is not a mapping.

    Raises:
        ValueError: it is invalid YAML or not a mapping; says so in one line.
    """
    import yaml

    try:
        values = _parsed(content.decode("utf-8"))
    except RecursionError:
        raise ValueError("invalid YAML: nested too deeply") from None
    # its constructors raise these for malformed tags and values
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise ValueError(f"invalid YAML: {' '.join(str(error).split())[:200]}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ValueError(advice)
    return {str(name): value for name, value in values.items() if value is not None}


def _parsed(text: str) -> object:
    """Return the parsed YAML; its size is checked before aliases and merges are expanded."""
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
    """Count the values below a node, counting each alias.

    Raises:
        ValueError: there are more than MOST_VALUES.
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
    raise ValueError(f"more than {MOST_VALUES:,} values, or one that contains itself")
