"""What one session leaves for the next: view, order, filter, pins, theme; a small JSON file.

Of each store its own, by a digest of its URI, which may hold a password.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from repdyn.errors import UserError
from repdyn.regular_file import read_regular
from repdyn.settings.schema import StoreConfig
from repdyn.storage.files import PRIVATE, write_whole

MOST_BYTES = 2**20
MOST_STORES = 50
MOST_PINS = 100
MOST_FILTERS = 50
LONGEST = 1000
"""Bounds of the file, of what it keeps of each, and of a text in it."""


@dataclass
class OfStore:
    """What is remembered of a store.

    Attributes:
        view: of a run, shown last.
        sort: title of the column that sorts the runs.
        reverse: whether the order is reversed.
        words: that the runs are filtered by.
        matching: a filter in MLflow's language.
        pins: ids of the runs at the top, the first pinned first.
    """

    view: str = ""
    sort: str = ""
    reverse: bool = False
    words: str = ""
    matching: str = ""
    pins: list[str] = field(default_factory=list)

    def toggle_pin(self, run_id: str) -> None:
        """Pin a run, or no longer."""
        if run_id in self.pins:
            self.pins.remove(run_id)
        else:
            self.pins = [*self.pins, run_id][-MOST_PINS:]


class Session:
    """What is remembered; without a path, nothing beyond this session.

    Attributes:
        of_store: what concerns the store shown.
        filters: in MLflow's language, of all stores, the last first.
        theme: the chosen theme, empty for the default.
        damage: what was wrong with the file, a line, or nothing.

    Args:
        path: of the file.
        store: the digest that `store_key` returns.
    """

    def __init__(self, path: Path | None = None, store: str = "") -> None:
        self._path, self._store = path, store
        self.of_store = OfStore()
        self.filters: list[str] = []
        self.theme = ""
        self.damage = ""
        if path is not None:
            self._read(path)
        self._saved = self._known()

    def _read(self, path: Path) -> None:
        try:
            kept = json.loads(read_regular(path, MOST_BYTES))
            self.of_store = _of_store(kept["stores"].get(self._store, {}))
            self.filters = _texts(kept["filters"], MOST_FILTERS)
            self.theme = _text(kept["theme"])
        except (FileNotFoundError, NotADirectoryError):
            pass
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            self.damage = f"{path}: is damaged; ignored, and written anew"

    def _known(self) -> Mapping[str, Any]:
        return {
            "of_store": asdict(self.of_store),
            "filters": list(self.filters),
            "theme": self.theme,
        }

    @property
    def is_changed(self) -> bool:
        """Whether something was not saved yet."""
        return self._path is not None and self._known() != self._saved

    def add_filter(self, text: str) -> None:
        """Add a filter to the history."""
        self.filters = [text, *(one for one in self.filters if one != text)][:MOST_FILTERS]

    def save(self) -> None:
        """Write the file whole; what other sessions wrote of other stores stays.

        Raises:
            UserError: it cannot be written.
        """
        if self._path is None or not self.is_changed:
            return
        known = self._known()
        stores = {**_stores(self._path), self._store: known["of_store"] | {"used": time.time()}}
        # those that were not used for long are forgotten
        newest = sorted(stores, key=lambda key: -_number(stores[key].get("used")))[:MOST_STORES]
        content = {
            "theme": self.theme,
            "filters": known["filters"],
            "stores": {key: stores[key] for key in newest},
        }
        try:
            write_whole(self._path, json.dumps(content, indent=1).encode(), PRIVATE)
        except OSError as error:
            raise UserError(
                f"{self._path}: cannot be written ({error.strerror or error}); the next session "
                "starts without what this one remembers"
            ) from None
        finally:
            self._saved = known  # else it would be tried, and told, again and again


def session_file() -> Path:
    """Return the path of the file."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "repdyn" / "screen.json"


def store_key(store: StoreConfig) -> str:
    """Return a digest that identifies a store, without asking MLflow, whose import takes seconds."""
    return sha256("\n".join(place_of(store)).encode()).hexdigest()[:16]


def place_of(store: StoreConfig) -> tuple[str, str]:
    """Return a store's address, as it was given, and the folder from which it counts, if from any."""
    uri = store.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or ""
    is_elsewhere = "://" in uri and not uri.startswith(("sqlite", "file"))
    return uri, "" if is_elsewhere or uri.startswith("sqlite:////") else str(Path.cwd())


def _stores(path: Path) -> dict[str, dict[str, Any]]:
    """Return what the file has of all stores now; empty if it is damaged."""
    try:
        stores = json.loads(read_regular(path, MOST_BYTES))["stores"]
        return {key: one for key, one in stores.items() if isinstance(one, dict)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}


def _of_store(values: Mapping[str, Any]) -> OfStore:
    """Return what is remembered of a store; values of another type count as not there."""
    found = OfStore()
    for one in fields(OfStore):
        value = values.get(one.name)
        if one.name == "pins":
            found.pins = _texts(value or [], MOST_PINS)
        elif isinstance(value, bool if one.name == "reverse" else str):
            setattr(found, one.name, value if isinstance(value, bool) else _text(value))
    return found


def _texts(values: Any, most: int) -> list[str]:
    return [_text(value) for value in list(values)[:most]]


def _text(value: Any) -> str:
    """Return a text of the file.

    Raises:
        TypeError: it is none, or too long.
    """
    if not isinstance(value, str) or len(value) > LONGEST:
        raise TypeError
    return value


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0.0
