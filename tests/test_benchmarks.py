"""Every benchmark runs, and says figures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_benchmarks_run(name: str) -> None:
    pytest.importorskip("torch_cka", reason="comes with repdyn[bench]")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", name, "--quick", "--json"],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)["benchmarks"].values()
    assert result["figures"]
    assert all(figure["reached"] in (True, False, None) for figure in result["figures"])
