"""Names with slashes as a tree: folders, joined ones, and what is folded."""

from __future__ import annotations

from tui.path_tree import tree_rows


def lines(names: list[str], folded: set[str] | None = None, *, sections: bool = False) -> list[str]:
    rows = tree_rows(names, folded or set(), sections=sections)
    return [f"{'  ' * row.depth}{row.label}" for row in rows]


def test_names_stand_before_the_folders_of_their_level() -> None:
    assert lines(["a/x", "a/y", "b"]) == ["b", "a/", "  x", "  y"]


def test_a_folder_with_one_entry_is_joined_with_it() -> None:
    assert lines(["a/b/c", "d/e/f", "d/e/g"]) == ["a/b/c", "d/e/", "  f", "  g"]


def test_sections_are_never_joined_and_come_before_names() -> None:
    names = ["none", "Params/a/b", "Tags/x"]
    assert lines(names, sections=True) == ["Params", "  a/b", "Tags", "  x", "none"]


def test_a_folded_folder_hides_its_lines_and_knows_its_names() -> None:
    rows = tree_rows(["a/x", "a/b/y", "a/b/z"], {"a/"})
    assert [row.path for row in rows] == ["a/"]
    assert rows[0].leaves == ("a/x", "a/b/y", "a/b/z")


def test_a_name_and_a_folder_may_be_called_the_same() -> None:
    assert lines(["loss", "loss/a", "loss/b"]) == ["loss", "loss/", "  a", "  b"]


def test_names_that_are_only_slashes_are_lines_too() -> None:
    names = ["/", "//", "a//b", ""]
    shown = {row.path for row in tree_rows(names) if not row.is_folder}
    assert shown == set(names)


def test_control_characters_are_not_shown() -> None:
    assert lines(["a\x1b[31m"]) == ["a[31m"]
