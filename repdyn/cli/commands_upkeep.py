"""Commands for stores, and for the machine; a command's own modules are imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from repdyn.cli.options import (
    StoreOptions,
)
from repdyn.settings.schema import (
    DataConfig,
    StoreConfig,
)


def rebind(store: StoreOptions | None = None, *, yes: bool = False) -> None:
    """Update the artifact paths recorded in a copied or moved SQLite store.

    Args:
        yes: apply the changes instead of only listing them.
    """
    from repdyn.cli.rebind import run_rebind

    run_rebind(store or StoreConfig(), yes=yes)


def sync(
    folder: Annotated[Path, Parameter(help="Folder of queued data.")] = Path("repdyn-spool"),
    /,
    *,
    tracking_uri: str | None = None,
) -> None:
    """Send what runs logged while their MLflow server was unreachable.

    Args:
        tracking_uri: URI of the server, if it has changed.
    """
    from repdyn.cli.sync import run_sync

    run_sync(folder, tracking_uri)


def cache(path: Path, /, *, remove: bool = False) -> None:
    """Show the decoded images that are kept of an image folder, beside it or in ~/.cache/repdyn.

    Args:
        path: the image folder, as in imagefolder:PATH.
        remove: remove them; the next training decodes the images again.
    """
    from repdyn.cli.cache import run_cache

    run_cache(path, removed=remove)


def doctor(store: StoreOptions | None = None, *, data_dir: Path = DataConfig.data_dir) -> None:
    """Check what repdyn needs: packages, devices, store, data sets, disk, terminal.

    Exits with code 1 if something is wrong.

    Args:
        data_dir: folder to search for data sets.
    """
    from repdyn.cli.doctor import run_doctor

    run_doctor(store or StoreConfig(), data_dir)
