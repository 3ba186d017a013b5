"""All actions in one table: the keys, the footer, the help and the palette are made of it.

Keys are changed in a file, `repdyn/keys.yaml` in the user's folder of configurations, that names
actions: `run.kind: x`, or `cursor.left: left,a` for the cursor's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from textual.binding import Binding, BindingType

from repdyn.errors import UserError
from repdyn.regular_file import read_regular
from repdyn.settings.yaml_file import MOST_BYTES, parse_mapping

VIEWS = ("overview", "layer", "layers", "regions", "curves", "phases", "info")
"""The views of a run, in the order of their number keys."""

COMPARED = ("overview", "layer", "regions", "curves")
"""The views of runs beside each other."""


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Attributes:
        name: `place.what`; the part before the dot says where its key works.
        keys: of the keyboard, with commas between; none for what is in the palette only.
        call: Textual's action.
        title: in a word or two, for the footer.
        help: in a sentence.
        footer: whether the footer shows it.
    """

    name: str
    keys: str
    call: str
    title: str
    help: str
    footer: bool = False

    @property
    def place(self) -> str:
        """Where its key works: in the app, a screen or a view."""
        return self.name.partition(".")[0]

    def binding(self) -> Binding:
        """Return it as Textual binds it."""
        return Binding(
            self.keys, self.call, self.title, show=self.footer, id=self.name, tooltip=self.help
        )


_VIEW_HELP = {
    "overview": "Layers over checkpoints, and the curves below.",
    "layer": "Checkpoints against checkpoints of one layer.",
    "layers": "The same of all layers, small.",
    "regions": "Decision regions on a plane.",
    "curves": "All metrics.",
    "phases": "Boundaries and scores, and what they mean.",
    "info": "Params, tags, artifacts, checkpoints.",
}

ACTIONS: tuple[Action, ...] = (
    Action("app.help", "question_mark", "app.help", "Help", "Show the keys of where one is.", True),
    Action("app.theme", "t", "app.change_theme", "Theme", "Choose another theme."),
    Action("app.quit", "ctrl+q", "app.quit", "Quit", "Leave."),
    Action("runs.open", "enter", "open", "Open", "Open the run under the cursor.", True),
    Action("runs.mark", "space", "mark", "Mark", "Mark or unmark the run, to compare.", True),
    Action("runs.compare", "c", "compare", "Compare", "Compare the marked runs, 2 to 4.", True),
    Action(
        "runs.filter",
        "slash",
        "filter",
        "Filter",
        "Words that name or params contain; or MLflow's language, then enter: params.opt = 'sgd'.",
        True,
    ),
    Action("runs.sort", "s", "sort(1)", "Sort", "Sort by the next column.", True),
    Action("runs.sort_back", "S", "sort(-1)", "Sort back", "Sort by the column before."),
    Action("runs.reverse", "R", "reverse", "Reverse", "Sort the other way round."),
    Action("runs.experiment", "x", "experiment", "Experiment", "Choose another experiment's runs."),
    Action("runs.copy", "y", "copy", "Copy id", "Copy the run's id."),
    Action("runs.clear", "escape", "clear", "Clear", "Clear the filter, then the marks."),
    Action("runs.quit", "q", "app.quit", "Quit", "Leave.", True),
    *(
        Action(f"run.{v}", str(i), f"view('{v}')", v.capitalize(), _VIEW_HELP[v])
        for i, v in enumerate(VIEWS, start=1)
    ),
    Action("run.next_view", "tab", "step_view(1)", "Next view", "Go to the next view."),
    Action(
        "run.previous_view", "shift+tab", "step_view(-1)", "View before", "Go to the one before."
    ),
    Action("run.kind", "m", "kind", "Measure", "The next similarity measure.", True),
    Action("run.layer_back", "left_square_bracket", "layer(-1)", "Layer -", "The layer before."),
    Action("run.layer_on", "right_square_bracket", "layer(1)", "Layer +", "The next layer."),
    Action("run.epoch_back", "comma", "epoch(-1)", "Epoch -", "The checkpoint before."),
    Action("run.epoch_on", "full_stop", "epoch(1)", "Epoch +", "The next checkpoint."),
    Action("run.play", "p", "play", "Play", "Play through the checkpoints; again to stop."),
    Action("run.stretch", "z", "stretch", "Contrast", "Stretch the colours over what is in view."),
    Action("run.cmap", "v", "colours", "Colours", "Take the next colour map."),
    Action("run.export", "e", "export", "Export", "Save the view as PNG, SVG and CSV.", True),
    Action("run.copy", "y", "copy", "Copy id", "Copy the run's id."),
    Action("run.back", "escape,q", "back", "Back", "Back to the runs.", True),
    Action(
        "overview.reference",
        "r",
        "reference",
        "Reference",
        "Similarity to the last checkpoint, the previous, the first, or that under the cursor.",
        True,
    ),
    Action("overview.metric", "a", "metric", "Acc/loss", "Show accuracies or losses below."),
    Action("overview.open", "enter", "zoom", "Open layer", "Show the layer under the cursor."),
    Action("layers.open", "enter", "zoom", "Open layer", "Show the layer under the cursor.", True),
    Action("regions.plane_on", "n", "plane(1)", "Plane", "The next plane.", True),
    Action("regions.plane_back", "N", "plane(-1)", "Plane back", "The plane before."),
    Action(
        "regions.pin",
        "b",
        "pin",
        "Beside",
        "Keep this epoch at the left, to compare others with it; again to let it go.",
        True,
    ),
    Action("regions.epoch_back", "left,h", "epoch(-1)", "Epoch -", "The checkpoint before."),
    Action("regions.epoch_on", "right,l", "epoch(1)", "Epoch +", "The next checkpoint.", True),
    Action("regions.layer_back", "up,k", "layer(-1)", "Layer -", "The layer before."),
    Action("regions.layer_on", "down,j", "layer(1)", "Layer", "The next layer.", True),
    Action("regions.first", "home", "end_epoch(0)", "First epoch", "The first checkpoint."),
    Action("regions.last", "end", "end_epoch(-1)", "Last epoch", "The last checkpoint."),
    Action("curves.log", "g", "log", "Log", "Make the vertical axis logarithmic, or not.", True),
    Action("curves.smooth", "o", "smooth", "Smooth", "Smooth the curves more, or not.", True),
    Action("curves.back", "left,h", "move(-1)", "Left", "Move the cursor an epoch back."),
    Action("curves.on", "right,l", "move(1)", "Right", "Move the cursor an epoch on."),
    *(
        Action(f"compare.{v}", str(i), f"view('{v}')", v.capitalize(), _VIEW_HELP[v])
        for i, v in enumerate(COMPARED, start=1)
    ),
    Action("compare.next_view", "tab", "step_view(1)", "Next view", "Go to the next view."),
    Action(
        "compare.previous_view",
        "shift+tab",
        "step_view(-1)",
        "View before",
        "Go to the one before.",
    ),
    Action(
        "compare.layer_back", "left_square_bracket", "layer(-1)", "Layer -", "The layer before."
    ),
    Action("compare.layer_on", "right_square_bracket", "layer(1)", "Layer +", "The next layer."),
    Action("compare.kind", "m", "kind", "Measure", "The next similarity measure.", True),
    Action("compare.reference", "r", "reference", "Reference", "Similarity to what.", True),
    Action(
        "compare.align",
        "a",
        "align",
        "Align",
        "Link the cursors by epoch, or by phase: onset to onset, fit to fit.",
        True,
    ),
    Action("compare.stretch", "z", "stretch", "Contrast", "Stretch the colours."),
    Action("compare.cmap", "v", "colours", "Colours", "Take the next colour map."),
    Action("compare.export", "e", "export", "Export", "Save the view as PNG, SVG and CSV.", True),
    Action("compare.back", "escape,q", "back", "Back", "Back to the runs.", True),
)


CURSOR = tuple(
    f"cursor.{way}"
    for way in ("left", "right", "up", "down", "page_up", "page_down", "first", "last")
)
"""The actions of the widgets that have a cursor."""


def bindings(*places: str) -> list[BindingType]:
    """Return the bindings of places, in the order of the table."""
    return [action.binding() for action in ACTIONS if action.place in places]


def by_name() -> Mapping[str, Action]:
    """Return the actions by name."""
    return {action.name: action for action in ACTIONS}


def keys_file() -> Path:
    """Return the path of the file that changes keys."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "repdyn" / "keys.yaml"


def read_keymap(path: Path) -> dict[str, str]:
    """Return the keys that a file gives to actions; nothing if there is no file.

    Raises:
        UserError: the file is no YAML of names and keys, or names an action that there is not.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    return parse_keymap(str(path), content)


def parse_keymap(source: str, content: bytes) -> dict[str, str]:
    """Return the keys that a file's content gives to actions.

    Raises:
        UserError: it is no YAML of names and keys, or names an action that there is not.
    """
    advice = "write keys as `action: key` lines, such as `run.kind: x`"
    keymap = parse_mapping(source, content, advice)
    strange = [name for name in keymap if name not in by_name() and name not in CURSOR]
    if strange:
        first = " ".join(strange[0].split())[:100]
        raise UserError(f"{source}: there is no action {first}; the help (?) names them")
    return {name: str(keys) for name, keys in keymap.items()}
