"""Tables, intervals and verdicts that the documentation states are those of the runs that are kept."""

import re
from functools import cache
from pathlib import Path

import pytest

from docs.kept_results import intervals, kept, table
from repdyn.report.comparison import Comparison

ROOT = Path(__file__).parents[2]
RUNS = re.compile(r"<!-- runs: (.+?) -->")
INTERVAL = re.compile(r"[+-]?\d+\.\d+ \[-?\d+\.\d+, -?\d+\.\d+\]")
VERDICTS = "supported|refuted|undecided|no difference of note"


NOT_KEPT = "not kept"


def sections() -> list[tuple[str, str]]:
    """Return the files that a comment names, and the text from there to the next one.

    What is said of runs that are not kept cannot be checked.
    """
    found = []
    for path in (ROOT / "docs/results.md", ROOT / "README.md"):
        parts = RUNS.split(path.read_text().replace("−", "-"))
        found += list(zip(parts[1::2], parts[2::2], strict=True))
    return [one for one in found if one[0] != NOT_KEPT]


WITHOUT_FALLS = "without falls"
"""Behind the files: only of their runs that stay at the fit."""


@cache
def comparison(files: str) -> Comparison:
    names = files.removesuffix(WITHOUT_FALLS).split()
    paths = (ROOT / "docs/results" / name for name in names)
    return kept(*paths, falls=not files.endswith(WITHOUT_FALLS))


def of(files: str) -> list[str]:
    return [text for names, text in sections() if names == files]


def test_all_kept_runs_are_told_of() -> None:
    named = {name for files, _ in sections() for name in files.removesuffix(WITHOUT_FALLS).split()}
    assert named == {path.name for path in (ROOT / "docs/results").iterdir()}


@pytest.mark.parametrize("files", sorted({files for files, _ in sections()}))
def test_intervals_are_those_of_the_runs(files: str) -> None:
    stated = [one for text in of(files) for one in INTERVAL.findall(text)]
    assert stated
    assert set(stated) <= intervals(comparison(files))


def test_tables_are_those_of_the_runs() -> None:
    tables = {
        files: one
        for files, text in sections()
        for one in re.findall(r"(?:^\|.*\n)+", text, re.M)
        if "fit break (CKA)" in one
    }
    assert len(tables) >= 2
    for files, found in tables.items():
        assert found.strip() == table(comparison(files))


def test_verdicts_are_those_of_the_runs() -> None:
    judged = 0
    for files, text in sections():
        stated = re.findall(rf"^(?:- \*\*.*?: |\| [^|]+ \| )({VERDICTS})\b", text, re.M)
        if stated:
            assert stated == [finding.verdict for finding in comparison(files).findings]
            judged += 1
    assert judged >= 3
