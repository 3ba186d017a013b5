"""Names with slashes as the lines of a tree whose folders can be folded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from repdyn.display.wording import plain


@dataclass(frozen=True)
class Row:
    """A line of the tree.

    Attributes:
        path: the name, or of a folder what its names begin with, with the slash.
        label: what is left of it beside its folder.
        depth: number of folders that it is in.
        leaves: the names in a folder; empty for a name.
        folded: whether a folder's lines are hidden.
    """

    path: str
    label: str
    depth: int
    leaves: tuple[str, ...] = ()
    folded: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return bool(self.leaves)


@dataclass
class _Folder:
    names: dict[str, str] = field(default_factory=dict)
    folders: dict[str, _Folder] = field(default_factory=dict)

    def leaves(self) -> Iterator[str]:
        yield from self.names.values()
        for folder in self.folders.values():
            yield from folder.leaves()


def tree_rows(
    names: Iterable[str], folded: Collection[str] = (), *, sections: bool = False
) -> list[Row]:
    """Return the lines of a tree: at each level names, then folders, in the given order.

    A folder with a single entry is joined with it: `a/b/` or `a/b`. Names beside sections come last.

    Args:
        names: each once.
        folded: paths of folders.
        sections: whether folders of the first level are never joined.
    """
    root = _Folder()
    for name in names:
        *above, last = name.split("/")
        at = root
        for part in above:
            at = at.folders.setdefault(part, _Folder())
        at.names[last] = name
    return list(_rows(root, "", 0, folded, sections))


def _rows(
    folder: _Folder, path: str, depth: int, folded: Collection[str], sections: bool
) -> Iterator[Row]:
    names = [Row(name, plain(label), depth) for label, name in folder.names.items()]
    if not sections:
        yield from names
    for first, found in folder.folders.items():
        label, inside = f"{first}/", found
        while not sections and len(inside.folders) == 1 and not inside.names:
            [(part, inside)] = inside.folders.items()
            label += f"{part}/"
        if not sections and len(inside.names) == 1 and not inside.folders:
            [(last, name)] = inside.names.items()
            yield Row(name, plain(label + last), depth)
            continue
        here = path + label
        hidden = here in folded
        shown = plain(first if sections else label)
        yield Row(here, shown, depth, tuple(inside.leaves()), hidden)
        if not hidden:
            yield from _rows(inside, here, depth + 1, folded, False)
    if sections:
        yield from names


def folders_of(rows: Sequence[Row]) -> list[Row]:
    """Return the folders among lines."""
    return [row for row in rows if row.is_folder]
