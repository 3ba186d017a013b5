"""Make the pictures of the documentation from the demo's runs: python -m docs.pictures.

In the root of the repository, in the environment of developers; a few minutes. What is named
(recording, screens, figures, notebooks) is made, by default all.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path

from docs.pictures.figures import draw_figures
from docs.pictures.notebooks import execute_all
from docs.pictures.recording import record
from docs.pictures.screens import draw_screens

IMAGES = Path(__file__).parents[1] / "images" / "demo"

MAKERS: dict[str, Callable[[], None]] = {
    "recording": lambda: asyncio.run(record(IMAGES / "recording.webp")),
    "screens": lambda: asyncio.run(draw_screens(IMAGES)),
    "figures": lambda: draw_figures(IMAGES),
    "notebooks": execute_all,
}


def main() -> None:
    """Make what is named on the command line."""
    parser = argparse.ArgumentParser(prog="python -m docs.pictures", description=__doc__)
    # Python 3.11 looks for [] among the choices if nothing is named
    choices = [*MAKERS, []]
    said = f"of {', '.join(MAKERS)}; default: all"
    parser.add_argument("what", nargs="*", choices=choices, metavar="what", help=said)
    IMAGES.mkdir(parents=True, exist_ok=True)
    for name in parser.parse_args().what or MAKERS:
        MAKERS[name]()


if __name__ == "__main__":
    main()
