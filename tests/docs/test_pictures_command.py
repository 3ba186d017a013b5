"""python -m docs.pictures makes what is named, all if nothing is."""

import sys
from functools import partial

import pytest


@pytest.mark.slow  # needs what builds the documentation
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], ["a", "b", "c"]), (["b"], ["b"]), (["c", "a"], ["c", "a"])],
    ids=["all", "one", "two"],
)
def test_what_is_named_is_made(
    arguments: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from docs.pictures import __main__ as command

    made = list[str]()
    makers = {name: partial(made.append, name) for name in "abc"}
    monkeypatch.setattr(command, "MAKERS", makers)
    monkeypatch.setattr(sys, "argv", ["pictures", *arguments])
    command.main()
    assert made == expected
