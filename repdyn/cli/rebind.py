"""`repdyn rebind`: update the artifact paths of a copied or moved store."""

from __future__ import annotations

from repdyn.cli.console import new_console
from repdyn.settings.schema import StoreConfig
from repdyn.storage.rebinding import rebind


def run_rebind(store: StoreConfig, *, yes: bool) -> None:
    """Print each URI that changes, and change them if `yes`."""
    console = new_console()
    changes = rebind(store, write=yes)
    lines = [f"{one.table}: {one.before} -> {one.after}" for one in changes]
    if not changes:
        lines.append("nothing to rebind")
    elif not yes:
        lines.append("nothing was changed; add --yes to apply these changes")
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
