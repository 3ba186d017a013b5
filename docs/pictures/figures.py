"""The standard figures of one of the demo's runs, for the gallery."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from docs.pictures.files import save
from docs.pictures.screens import VIT_SGD
from repdyn.report.figures import png, standard_figures
from tui.demo.source import DemoSource


def draw_figures(folder: Path) -> None:
    """Draw all that every run gets."""
    demo = DemoSource()
    record, planes = demo.record(VIT_SGD), demo.planes(VIT_SGD)
    steps = () if record.dynamics is None else record.dynamics.steps.tolist()
    maps = [demo.label_maps(VIT_SGD, step) for step in steps]
    for name, figure in standard_figures(record, planes, maps, planes.classes).items():
        save(Image.open(io.BytesIO(png(figure))), folder / f"figure-{name}.webp")
