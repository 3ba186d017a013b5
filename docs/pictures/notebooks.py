"""Executes the notebooks in a folder of their own, and keeps what they show."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return a notebook as it is after being executed in a folder, without warnings.

    These name files of the machine.

    Raises:
        nbclient.exceptions.CellExecutionError: a cell fails.
    """
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,  # what a cell prints arrives in parts that depend on time
        resources={"metadata": {"path": str(folder)}},
    )
    # a backend that the environment names would replace the one that shows figures in cells
    client.execute(env={name: v for name, v in os.environ.items() if name != "MPLBACKEND"})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
    return notebook


def execute_all() -> None:
    """Execute each notebook of the documentation and store it with its outputs."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(executed(path, Path(folder)), path)
