"""Every benchmark runs, and says figures."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES

PROCESSES = 4
"""Among which the benchmarks are shared: to import what they compare takes as long as some of them."""


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", [NAMES[i::PROCESSES] for i in range(PROCESSES)], ids="-".join)
def test_benchmarks_run(names: Sequence[str]) -> None:
    pytest.importorskip("torch_cka", reason="comes with repdyn[bench]")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *names, "--quick", "--json"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["benchmarks"]
    assert list(results) == list(names)
    for name, result in results.items():
        assert result["figures"], name
        assert all(figure["reached"] in (True, False, None) for figure in result["figures"]), name
