"""`repdyn cache`: show or remove the decoded images that are kept of an image folder."""

from __future__ import annotations

from pathlib import Path

from repdyn.cli.console import new_console
from repdyn.data.cache_files import kept, remove
from repdyn.display.wording import size


def run_cache(path: Path, *, removed: bool) -> None:
    """Print a line for each folder of decoded images, which are removed if so wished.

    Raises:
        UserError: another process is writing them.
    """
    console = new_console()
    found = kept(path.expanduser())
    if removed:
        remove(path.expanduser())
    for one in found:
        said = f"{one.folder}: {size(one.size)}, {'removed' if removed else _sides(one.sides)}"
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    if not found:
        said = f"no decoded images of {path} are kept"
        console.print(said, highlight=False, markup=False, soft_wrap=True)


def _sides(images: dict[int, int]) -> str:
    each = (f"{count:,} images of {side}×{side} pixels" for side, count in images.items())
    return ", ".join(each) or "unfinished"
