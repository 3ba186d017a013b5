"""Whatever stands in a file, a sound record or one line comes out."""

import io
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fuzz_targets import Target, read_as_a_user, targets
from tests.support.other_fuzz_targets import other_targets

TARGETS = [*targets(), *other_targets()]
ROOT = Path(__file__).parents[2]
GUIDED_INPUTS = {
    "": 100_000,
    "checkpoints/last.safetensors": 10_000,
    "params": 200,
    "run.yaml": 1_000,
    "keys.yaml": 1_000,
    "metrics job.json": 2_000,
    "tag job.json": 2_000,
    "artifact job.json": 2_000,
    "run.json": 2_000,
    "runs.zip": 1_000,
}
"""By the file that is read; without a name, all of a run's arrays and JSON."""

SIDES = st.sampled_from([0, 1, 3, 4, 5, 2**31, 2**63, 10**18, 10**30])
TYPES = st.sampled_from(["<f4", ">f4", "<f8", "|O", "|V8", "<U1", "<U0", "<U999999999", "<M8[s]"])
NUMBERS = st.sampled_from(
    ["-1", "1.5", "1e400", "NaN", "Infinity", "9" * 50, "9" * 5000, "[]", "null", '"\\u0007"']
)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes, other: bytes) -> bytes:
    """Draw what may become of a whole file, also within what is packed in it."""
    if whole.startswith(b"PK") and draw(st.booleans()):
        return draw(repacked(whole, other))
    content = whole
    for _ in range(draw(st.integers(1, 3))):
        content = draw(st.sampled_from(MUTATIONS))(draw, content, other)
    return content


@st.composite
def repacked(draw: st.DrawFn, whole: bytes, other: bytes) -> bytes:
    """Draw a zip of which one member is damaged."""
    out = io.BytesIO()
    with ZipFile(io.BytesIO(whole)) as members, ZipFile(out, "w", ZIP_DEFLATED) as packed:
        chosen = draw(st.sampled_from(members.namelist()))
        for name in members.namelist():
            content = members.read(name)
            packed.writestr(name, draw(damaged(content, other)) if name == chosen else content)
    return out.getvalue()


def flipped(draw: st.DrawFn, content: bytes, other: bytes) -> bytes:
    if not content:
        return content
    at = draw(st.integers(0, len(content) - 1))
    return content[:at] + bytes([content[at] ^ 1 << draw(st.integers(0, 7))]) + content[at + 1 :]


def truncated(draw: st.DrawFn, content: bytes, other: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))]


def spliced(draw: st.DrawFn, content: bytes, other: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content)))] + other[draw(st.integers(0, len(other))) :]


def overwritten(draw: st.DrawFn, content: bytes, other: bytes) -> bytes:
    at, new = draw(st.integers(0, len(content))), draw(st.binary(min_size=1, max_size=8))
    return content[:at] + new + content[at + len(new) :]


def announced(draw: st.DrawFn, content: bytes, other: bytes) -> bytes:
    """Let an array's header say something else, in as many bytes."""
    edits = {
        rb"'shape': \([^)]*\)": f"'shape': {tuple(draw(st.lists(SIDES, max_size=6)))}",
        rb"'descr': '[^']*'": f"'descr': '{draw(TYPES)}'",
        rb"False": "True",
    }
    pattern = draw(st.sampled_from(sorted(edits)))
    end = content.find(b"\n")
    header = re.sub(pattern, edits[pattern].encode(), content[:end], count=1)
    return header.rstrip().ljust(end) + content[end:]


def renumbered(draw: st.DrawFn, content: bytes, other: bytes) -> bytes:
    """Put another value where JSON has a number."""
    places = list(re.finditer(rb"\b\d+\b", content[:10_000]))
    if not places:
        return content
    place = draw(st.sampled_from(places))
    return content[: place.start()] + draw(NUMBERS).encode() + content[place.end() :]


MUTATIONS = (flipped, truncated, spliced, overwritten, announced, renumbered)
TARGET = st.sampled_from(TARGETS)


def read(data: st.DataObject) -> None:
    target, other = data.draw(TARGET), data.draw(TARGET)
    read_as_a_user(target, data.draw(damaged(target.content, other.content)))


@pytest.mark.parametrize("target", TARGETS, ids=[target.path for target in TARGETS])
def test_a_whole_file_is_read(target: Target) -> None:
    assert read_as_a_user(target, target.content)


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_file_is_one_line(data: st.DataObject) -> None:
    read(data)


@pytest.mark.slow
@settings(max_examples=2_000)
@given(data=st.data())
def test_many_damaged_files_are_one_line_each(data: st.DataObject) -> None:
    read(data)


@pytest.mark.slow
@pytest.mark.parametrize(("path", "runs"), GUIDED_INPUTS.items())
def test_inputs_that_are_guided_by_the_lines_they_reach(
    path: str, runs: int, tmp_path: Path
) -> None:
    pytest.importorskip("atheris", reason="comes with the dev extra, on Linux")
    paths = str(ROOT)
    # libFuzzer asks for the peak of memory, which a process inherits from the one that started it
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.support.fuzz_artifacts"),
            *([f"--target={path}"] if path else []),
            *(f"-runs={runs}", "-seed=1", "-max_len=8192"),
            *("-timeout=10", f"-rss_limit_mb={peak + 2048}", str(tmp_path / "corpus")),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"Done {runs} runs" in done.stderr
