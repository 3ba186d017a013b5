"""A sitting of the benchmarks goes on where it was, and its table says what was measured."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import sitting, table
from benchmarks.result import Figure, Result, as_json
from benchmarks.sitting import Plan, SittingError
from benchmarks.timing import working

QUIET = Console(quiet=True)


def figure(
    value: float | None, *, reached: bool | None = None, name: str = "a | b"
) -> dict[str, Any]:
    aim = None if reached is None else "≤ 2 ×"
    return {"name": name, "value": value, "unit": "×", "aim": aim, "reached": reached, "note": None}


def of_runs(*runs: dict[str, Any]) -> dict[str, Any]:
    about = {"machine": {"cores": "2"}, "commit": "abc", "quick": False}
    return about | {"benchmarks": {"one": {"title": "One", "how": "", "runs": list(runs)}}}


class Child:
    """Stands for the processes: it counts them and gives what each is to find."""

    def __init__(self, *found: dict[str, Any]) -> None:
        self.found = list(found)
        self.asked: list[str] = []

    def __call__(self, name: str, _plan: Plan) -> dict[str, Any]:
        self.asked.append(name)
        return self.found.pop(0)


def found(value: float) -> dict[str, Any]:
    return {"title": "One", "how": "", "figures": [figure(value)]}


def test_each_benchmark_runs_once_before_any_runs_again_and_a_failed_one_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plan = tmp_path / "sitting.json", Plan({"one": 2, "two": 1}, 1, False)
    child = Child(found(1), {"failed": "no memory"}, found(3))
    monkeypatch.setattr(sitting, "_one", child)
    sitting.sit(plan, path, QUIET)
    assert child.asked == ["one", "two", "one"]
    assert sitting.failures(json.loads(path.read_text())["benchmarks"]["two"]) == ["no memory"]

    again = Child(found(5))
    monkeypatch.setattr(sitting, "_one", again)
    sitting.sit(plan, path, QUIET)
    assert again.asked == ["two"]
    kept = json.loads(path.read_text())["benchmarks"]
    assert [one.values for one in sitting.summaries(kept["one"])] == [(1, 3)]
    assert sitting.failures(kept["two"]) == []
    sitting.sit(plan, path, QUIET)
    assert again.asked == ["two"]  # nothing is missing


def test_a_sitting_is_of_one_commit_and_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, plan = tmp_path / "sitting.json", Plan({"one": 1}, 1, False)
    monkeypatch.setattr(sitting, "_one", Child(found(1), found(2)))
    sitting.sit(plan, path, QUIET)
    monkeypatch.setattr(sitting, "commit", lambda: "another")
    with pytest.raises(SittingError, match="another commit"):
        sitting.sit(plan, path, QUIET)


@pytest.mark.parametrize("content", ["", "[]", "{}", "3", '{"machine": {}}'])
def test_what_is_no_sitting_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "sitting.json"
    path.write_text(content)
    with pytest.raises(SittingError):
        sitting.load(path)


def test_a_process_that_takes_too_long_or_fails_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sitting.json"
    sitting.sit(Plan({"verdicts": 1}, 0.001, False), path, QUIET)
    monkeypatch.setattr(sitting, "commit", lambda: json.loads(path.read_text())["commit"])
    sitting.sit(Plan({"verdicts": 0, "no_such": 1}, 1, False), path, QUIET)
    kept = json.loads(path.read_text())["benchmarks"]
    assert sitting.failures(kept["verdicts"]) == ["took more than 0.001 minutes"]
    assert "no_such" in sitting.failures(kept["no_such"])[0]


def test_the_table_has_medians_with_their_range_and_says_what_is_missed_or_failed() -> None:
    runs = [{"seconds": 60.0, "figures": [figure(v, reached=v <= 2)]} for v in (1.0, 4.0, 3.0)]
    text = table.table(of_runs(*runs, {"seconds": 1.0, "failed": "no | memory"}))
    assert "| a \\| b | 3 (1–4) × | **≤ 2 ×, missed** |" in text
    assert "3 times, 1.0 minutes each" in text
    assert "Failed: no \\| memory" in text


def test_a_figure_that_is_the_same_each_time_or_unknown_has_no_range() -> None:
    runs = [
        {"seconds": 60.0, "figures": [figure(1.5, reached=True), figure(None, name="unknown")]}
        for _ in range(2)
    ]
    text = table.table(of_runs(*runs))
    assert "| a \\| b | 1.5 × | ≤ 2 × |" in text
    assert "| unknown | – |" in text


def test_the_picture_shows_figures_relative_to_their_aim(tmp_path: Path) -> None:
    runs = [{"seconds": 1.0, "figures": [figure(v, reached=False)]} for v in (3.0, 4.0)]
    assert list(table.ratios(of_runs(*runs))) == [("one: a | b", (1.5, 2.0), True)]
    table.draw(of_runs(*runs), tmp_path / "sitting.png")
    assert (tmp_path / "sitting.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SittingError, match="nothing to draw"):
        table.draw(of_runs(), tmp_path / "none.png")


def test_aims_of_figures_are_read_as_they_are_written() -> None:
    shown = [Figure("most", 3.0, "×", most=0.0012345), Figure("least", 3.0, "%", least=99)]
    one = json.loads(as_json([("one", Result("One", shown))]))["benchmarks"]["one"]
    drawn = list(table.ratios(of_runs({"seconds": 1.0, "figures": one["figures"]})))
    assert [less for *_, less in drawn] == [True, False]
    assert drawn[1][1] == pytest.approx((3 / 99,))
    assert drawn[0][1] == pytest.approx((3 / 0.0012345,), rel=1e-3)


def test_a_package_that_fails_is_a_result() -> None:
    def fails() -> None:
        raise ValueError("nan\nis refused")

    found, failed = working({"ours": bool, "theirs": fails})
    assert list(found) == ["ours"]
    assert failed == {"theirs": "ValueError: nan"}
