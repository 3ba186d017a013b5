"""Settings from a YAML file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from repdyn.errors import UserError


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the settings that a file gives, as YAML reads them; those without a value are left out.

    Raises:
        UserError: the file cannot be read, is no YAML or no mapping.
    """
    import yaml

    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
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
