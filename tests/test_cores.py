"""Threads are no more than the cores that may be used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from repdyn import cores


def machine(root: Path, groups: str, limits: dict[str, str]) -> Path:
    """Write what a process sees of its control groups."""
    for name, text in ({"proc/self/cgroup": groups} | limits).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("groups", "limits", "allowed"),
    [
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "400000 100000\n"}, 4),
        ("0::/a/b\n", {"sys/fs/cgroup/a/b/cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {"sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
        (
            "0::/a/b\n",
            {"sys/fs/cgroup/a/cpu.max": "200000 100000", "sys/fs/cgroup/a/b/cpu.max": "8 1"},
            2,
        ),
        (
            "4:memory:/x\n3:cpu,cpuacct:/x\n0::/\n",
            {
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000",
            },
            3,
        ),
        (
            "3:cpu:/\n",
            {
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
        ),
        ("0::/a\n", {"sys/fs/cgroup/a/cpu.max": "nonsense"}, None),
        ("0::/a\n", {}, None),
        ("", {}, None),
    ],
)
def test_the_tightest_limit_of_the_control_groups_counts(
    tmp_path: Path, groups: str, limits: dict[str, str], allowed: int | None
) -> None:
    assert cores.cgroup_cores(machine(tmp_path, groups, limits)) == allowed


def test_without_control_groups_there_is_no_limit(tmp_path: Path) -> None:
    assert cores.cgroup_cores(tmp_path) is None


def test_what_the_user_says_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cgroup_cores", lambda _root: 1)
    environment = {"OMP_NUM_THREADS": "3"}
    cores.limit_threads(environment)
    assert environment == {"OMP_NUM_THREADS": "3"}


@pytest.mark.parametrize(("limit", "threads"), [(1, "1"), (None, None), (10**6, None)])
def test_threads_are_as_many_as_a_limit_below_the_machines_cores(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, threads: str | None
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(cores, "cgroup_cores", lambda _root: limit)
    environment: dict[str, str] = {}
    cores.limit_threads(environment)
    assert environment.get("OMP_NUM_THREADS") == threads


def test_it_is_said_before_torch_is_loaded() -> None:
    code = (
        "import sys\n"
        "from repdyn import cores\n"
        "from repdyn.cli import app\n"
        "app.limit_threads = lambda: print('torch' in sys.modules)\n"
        "app.app = lambda *_, **__: print('run')\n"
        "app.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "run"]
