"""Pictures of the screen for README.md, the tutorial and the gallery."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from docs.pictures.files import save
from docs.pictures.stage import staged

VIT_SGD, VIT_ADAM = "vit_tiny-sgd-digits-s0", "vit_tiny-adam-digits-s0"
RESNET_SGD = "resnet18-sgd-digits-s0"


@dataclass(frozen=True)
class Still:
    """A screen after some keys.

    Attributes:
        name: of the file.
        keys: pressed first.
        run: that is open; None for the list.
    """

    name: str
    keys: tuple[str, ...] = ()
    run: str | None = VIT_SGD


STILLS = (
    Still("list", ("down",), None),
    Still("overview", ("up", "up", "up", "up", "up", "[", ".")),
    Still("overview-resnet", run=RESNET_SGD),
    Still("layer", ("2", *"<<<<<", "[")),
    Still("layers", ("3",)),
    Still("phases", ("6",)),
    Still("numbers", ("6", "enter", *["down"] * 17)),
    Still("regions", ("4", *"[[[[", ",")),
    Still("curves", ("5",)),
    Still("compare", ("down", "space", "up", "up", "space", "c"), None),
)


async def draw_screens(folder: Path) -> None:
    """Draw each still."""
    for still in STILLS:
        async with staged(still.run) as stage:
            for key in still.keys:
                await stage.press(key)
            save(stage.picture(), folder / f"{still.name}.webp")
