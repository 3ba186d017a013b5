"""Tags as lines of text: what they give, and what is said of a line that gives nothing."""

from __future__ import annotations

import pytest

from repdyn.errors import UserError
from repdyn.run_tags import TagChanges, as_lines, changes, editable, parse_lines


def test_lines_give_the_tags_that_they_were_made_of() -> None:
    tags = {"stage": "final", "url": "http://x/?a=b", "empty": ""}
    assert parse_lines(as_lines(tags)) == tags


def test_only_the_users_tags_that_fit_on_a_line_are_edited() -> None:
    tags = {
        "mine": "x",
        "repdyn.schema": "2",
        "mlflow.user": "me",
        "long": "a\nb",
        "odd": "\x1b[1m",
    }
    assert editable(tags) == {"mine": "x"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a=1\nnonsense", "line 2: write name=value"),
        ("=1", "line 1: write name=value"),
        ("a=1\n\na=2", "line 3: a is already on a line above"),
        ("repdyn.schema=9", "repdyn.schema is repdyn's own tag"),
        ("mlflow.source.name=9", "mlflow.source.name is MLflow's own tag"),
        ("mlflow.note.content=x", "its own field"),
        ("a,b=1", "a,b: a name has letters"),
        ("x" * 251 + "=1", "at most 250"),
        ("a=" + "x " * 4001, "at most 8,000"),
    ],
)
def test_a_wrong_line_is_named_and_told_why(text: str, said: str) -> None:
    with pytest.raises(UserError) as raised:
        parse_lines(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_only_what_differs_changes() -> None:
    before, after = (
        {"same": "1", "gone": "2", "other": "3"},
        {"same": "1", "other": "4", "new": "5"},
    )
    assert changes(before, after, ("note", "note")) == TagChanges(
        {"other": "4", "new": "5"}, ("gone",), None
    )
    assert not changes(before, before, ("", ""))
    assert changes(before, before, ("note", "")).note == ""


def test_a_note_that_is_too_long_is_refused() -> None:
    with pytest.raises(UserError, match="8,001 characters"):
        changes({}, {}, ("", "x" * 8001))
