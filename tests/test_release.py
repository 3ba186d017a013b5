"""What is released: one version everywhere, and a wheel that has all it needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

USED = """
import json
from importlib.resources import files
import repdyn, tui
from repdyn.settings.sweep_grid import make_grid
from tui.demo.source import DemoSource
presets = [one.stem for one in (files("repdyn") / "settings/presets").iterdir()]
sizes = [len(make_grid([], preset=one, file=None, seeds=None).runs()) for one in presets]
runs = [run.name for page in DemoSource().pages() for run in page]
print(json.dumps([repdyn.__file__, tui.__file__, len(runs), sizes]))
"""


def test_version_is_the_same_everywhere() -> None:
    version = PROJECT["version"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    heads = re.findall(r"^## (\S+) \((.+)\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation["version"] == version
    assert heads[0] == (version, citation["date-released"])


def test_citation_names_both_versions_of_the_paper() -> None:
    papers = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"]
    assert {one["value"] for paper in papers for one in paper["identifiers"]} == {
        "arXiv:2405.17377v1",
        "arXiv:2405.17377v2",
    }


@pytest.mark.slow
def test_wheel_has_every_file_and_runs_from_them(tmp_path: Path) -> None:
    source = tmp_path / "source"
    ignored = shutil.ignore_patterns("__pycache__")
    for package in ("repdyn", "tui"):
        shutil.copytree(ROOT / package, source / package, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    there = {
        str(path.relative_to(source))
        for package in ("repdyn", "tui")
        for path in (source / package).rglob("*")
        if path.is_file()
    }
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
    subprocess.run(
        [*build, "--outdir", str(tmp_path), str(source)], check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name == f"repdyn-{PROJECT['version']}-py3-none-any.whl"
    with ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
        archive.extractall(tmp_path / "installed")
    assert packed == there
    code = f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r})\n{USED}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    repdyn, tui, runs, sizes = json.loads(done.stdout)
    assert {Path(repdyn).parents[1], Path(tui).parents[1]} == {tmp_path / "installed"}
    assert runs == 4
    assert len(sizes) == 4
    assert all(sizes)
