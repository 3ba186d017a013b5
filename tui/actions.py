"""All actions in one table, from which the keys, the footer, the help and the palette are built.

Keys can be changed in `repdyn/keys.yaml` in the user's configuration folder, by action name:
`run.kind: x`, or `cursor.left: left,a` for the cursor.
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

COMPARED = ("overview", "layer", "regions", "curves", "scores")
"""The views of runs side by side."""


@dataclass(frozen=True)
class Action:
    """Something the user can do.

    Attributes:
        name: `place.what`; the part before the dot says where its key works.
        keys: separated by commas; none if it is in the palette only.
        call: Textual's action.
        title: a word or two, for the footer.
        help: a sentence.
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
        """Return its Textual binding."""
        return Binding(
            self.keys, self.call, self.title, show=self.footer, id=self.name, tooltip=self.help
        )


_VIEW_HELP = {
    "overview": "Layers × checkpoints, with curves below.",
    "layer": "Checkpoints × checkpoints for one layer.",
    "layers": "The same for all layers, small.",
    "regions": "Decision regions on a plane.",
    "curves": "All metrics.",
    "phases": "What the run shows: sentences, phases, scores.",
    "info": "Params, tags, artifacts, checkpoints.",
    "scores": "The scores that matter, and their differences.",
}

ACTIONS: tuple[Action, ...] = (
    Action(
        "app.help",
        "question_mark",
        "app.help",
        "Help",
        "Explain the view, and show the keys available there.",
        True,
    ),
    Action("app.commands", "colon", "app.commands", "Find", "Find an action by its name.", True),
    Action("app.theme", "t", "app.change_theme", "Theme", "Choose another theme."),
    Action(
        "app.redraw",
        "ctrl+l",
        "app.redraw",
        "Redraw",
        "Draw the whole screen again, if another program has written over it.",
    ),
    Action("app.quit", "ctrl+q", "app.quit", "Quit", "Quit repdyn."),
    Action(
        "runs.open",
        "enter",
        "open",
        "Open",
        "Open the run under the cursor; fold or unfold a sweep or a group.",
        True,
    ),
    Action("runs.mark", "space", "mark", "Mark", "Mark or unmark the run to compare.", True),
    Action("runs.compare", "c", "compare", "Compare", "Compare the marked runs, 2 to 4.", True),
    Action(
        "runs.filter",
        "slash",
        "filter",
        "Filter",
        "Words in name or params; or an MLflow filter, then enter: params.opt = 'sgd'.",
        True,
    ),
    Action(
        "runs.mlflow_filter",
        "f",
        "mlflow_filter",
        "MLflow filter",
        "Filter in MLflow's language, with completion and history.",
    ),
    Action("runs.pin", "p", "pin", "Pin", "Keep the run at the top, in later sessions too."),
    Action(
        "runs.watch",
        "w",
        "watch",
        "Watch",
        "Ring and show a notice when the run ends, stalls, spikes or is not finite.",
    ),
    Action("runs.sort", "s", "sort(1)", "Sort", "Sort by the next column.", True),
    Action("runs.sort_back", "S", "sort(-1)", "Sort back", "Sort by the previous column."),
    Action("runs.reverse", "I", "reverse", "Reverse", "Reverse the order."),
    Action(
        "runs.group",
        "g",
        "group",
        "Group",
        "Group by architecture, by optimizer, by another param, or not at all.",
        True,
    ),
    Action("runs.fold", "left,h", "fold(True)", "Fold", "Hide the runs of a sweep or a group."),
    Action(
        "runs.unfold", "right,l", "fold(False)", "Unfold", "Show the runs of a sweep or a group."
    ),
    Action("runs.preview", "P", "preview", "Preview", "Show or hide the preview."),
    Action("runs.experiment", "x", "experiment", "Experiment", "Switch to another experiment."),
    Action("runs.edit", "E", "edit", "Edit", "Edit the run's tags and note."),
    Action("runs.delete", "D", "delete", "Delete", "Delete the run, and those nested in it."),
    Action("runs.deleted", "U", "deleted", "Deleted", "Show deleted runs, to restore one."),
    Action("runs.copy", "y", "copy", "Copy id", "Copy the run's id."),
    Action("runs.browse", "o", "browse", "Browser", "Open the run in MLflow's UI in the browser."),
    Action("runs.refresh", "R", "refresh", "Refresh", "Read the runs again now."),
    Action(
        "runs.demo", "d", "demo", "Demo", "Open four recorded runs, while there are none.", True
    ),
    Action("runs.clear", "escape", "clear", "Clear", "Clear the filter, then the marks."),
    Action("runs.quit", "q", "app.quit", "Quit", "Quit repdyn.", True),
    *(
        Action(f"run.{v}", str(i), f"view('{v}')", v.capitalize(), _VIEW_HELP[v])
        for i, v in enumerate(VIEWS, start=1)
    ),
    Action("run.next_view", "tab", "step_view(1)", "Next view", "Go to the next view."),
    Action(
        "run.previous_view",
        "shift+tab",
        "step_view(-1)",
        "Previous view",
        "Go to the previous view.",
    ),
    Action("run.next", "n", "run(1)", "Next run", "Open the next run of the list in this view."),
    Action("run.previous", "N", "run(-1)", "Previous run", "Open the previous run of the list."),
    Action("run.kind", "m", "kind", "Measure", "Next similarity measure.", True),
    Action("run.layer_back", "less_than_sign", "layer(-1)", "Layer -", "Previous layer."),
    Action("run.layer_on", "greater_than_sign", "layer(1)", "Layer +", "Next layer."),
    Action("run.epoch_back", "comma", "epoch(-1)", "Epoch -", "Previous checkpoint."),
    Action("run.epoch_on", "full_stop", "epoch(1)", "Epoch +", "Next checkpoint."),
    Action("run.epoch_first", "0", "end_epoch(0)", "First epoch", "First epoch in view."),
    Action("run.epoch_last", "dollar_sign", "end_epoch(-1)", "Last epoch", "Last epoch in view."),
    Action(
        "run.boundary_back",
        "left_square_bracket",
        "boundary(-1)",
        "Boundary -",
        "Previous phase boundary, or change point of the layer.",
    ),
    Action(
        "run.boundary_on",
        "right_square_bracket",
        "boundary(1)",
        "Boundary +",
        "Next phase boundary, or change point of the layer.",
    ),
    Action(
        "run.zoom",
        "z",
        "zoom_range",
        "Zoom",
        "Zoom to a range of epochs: at its first epoch, then at its last; or drag the mouse.",
        True,
    ),
    Action("run.zoom_out", "Z", "zoom_out", "Zoom out", "Show all epochs again."),
    Action("run.axis", "x", "axis", "Log/linear", "Switch the logarithmic and linear epoch axis."),
    Action("run.play", "space", "play", "Play", "Play through the checkpoints, or stop."),
    Action("run.contrast_on", "plus", "contrast(1)", "Contrast +", "More contrast in view."),
    Action("run.contrast_back", "minus", "contrast(-1)", "Contrast -", "Less contrast."),
    Action(
        "run.blurred",
        "u",
        "blurred",
        "Errors",
        "Grey the cells that differ from their neighbours by no more than their standard error.",
    ),
    Action("run.cmap", "v", "colours", "Colours", "Next colour map."),
    Action(
        "run.scale",
        "s",
        "scale",
        "Scale",
        "What colours span: fixed limits, the same for all runs; the values of this run; fixed and linear.",
    ),
    Action("run.export", "e", "export", "Export", "Save the view as PNG, SVG and CSV.", True),
    Action(
        "run.watch",
        "w",
        "watch",
        "Watch",
        "Ring and show a notice when the run ends, stalls, spikes or is not finite.",
    ),
    Action("run.edit", "E", "edit", "Edit", "Edit the run's tags and note."),
    Action("run.copy_value", "y", "copy_value", "Copy value", "Copy what the cursor is on."),
    Action("run.copy", "Y", "copy", "Copy id", "Copy the run's id."),
    Action("run.browse", "o", "browse", "Browser", "Open the run in MLflow's UI in the browser."),
    Action("run.refresh", "R", "refresh", "Refresh", "Read the run again now."),
    Action("run.back", "q", "back", "Back", "Back to the runs.", True),
    Action("run.escape", "escape", "escape", "Leave", "Leave the zoom, or go back to the runs."),
    Action(
        "overview.reference",
        "r",
        "reference",
        "Reference",
        "Similarity to the last, previous or first checkpoint, or the one at the cursor.",
        True,
    ),
    Action("overview.metric", "a", "metric", "Acc/loss", "Switch the curves: accuracy or loss."),
    Action("overview.open", "enter", "zoom", "Open layer", "Show the layer under the cursor."),
    Action("layers.open", "enter", "zoom", "Open", "Show the layer under the cursor.", True),
    Action("regions.plane_on", "p", "plane(1)", "Plane", "Next plane.", True),
    Action("regions.plane_back", "P", "plane(-1)", "Plane back", "Previous plane."),
    Action("regions.plane_first", "g", "plane_end(0)", "First plane", "First plane."),
    Action("regions.plane_last", "G", "plane_end(-1)", "Last plane", "Last plane."),
    Action(
        "regions.pin",
        "b",
        "pin",
        "Pin",
        "Pin this epoch at the left to compare others with it; again to unpin it.",
        True,
    ),
    Action("regions.epoch_back", "left,h", "epoch(-1)", "Epoch -", "Previous checkpoint."),
    Action("regions.epoch_on", "right,l", "epoch(1)", "Epoch +", "Next checkpoint."),
    Action("regions.layer_back", "up,k", "layer(-1)", "Layer -", "Previous layer."),
    Action("regions.layer_on", "down,j", "layer(1)", "Layer", "Next layer."),
    Action("regions.first", "home", "end_epoch(0)", "First epoch", "First checkpoint."),
    Action("regions.last", "end", "end_epoch(-1)", "Last epoch", "Last checkpoint."),
    Action(
        "phases.numbers",
        "enter",
        "numbers",
        "Numbers",
        "Show the numbers, nulls and definitions below the sentences, or hide them.",
        True,
    ),
    Action("info.open", "enter", "enter", "Open", "Show the value or file, or fold a group.", True),
    Action(
        "info.browse", "o", "browse", "Browser", "Open the file in MLflow's UI, or say where it is."
    ),
    Action(
        "file.browse", "o", "browse", "Browser", "Open it in MLflow's UI, or say where it is.", True
    ),
    Action("artifact.search", "slash", "search", "Search", "Search in the text.", True),
    Action("artifact.next", "n", "match(1)", "Next", "Next line that was found.", True),
    Action("artifact.previous", "N", "match(-1)", "Previous", "Line that was found before."),
    Action("artifact.back", "escape,q", "back", "Back", "End the search; back to the run.", True),
    Action(
        "chosen.toggle", "space", "choose", "Choose", "Draw the metric, or all of a group.", True
    ),
    Action("curves.log", "L", "log", "Log y", "Toggle the logarithmic vertical axis.", True),
    Action(
        "curves.smoother",
        "plus,equals_sign",
        "smooth(1)",
        "Smooth",
        "Average over more epochs: 1, 3, 5, 9, 15, 31.",
        True,
    ),
    Action("curves.rougher", "minus", "smooth(-1)", "Smooth less", "Average over fewer epochs."),
    Action(
        "metrics.filter",
        "slash",
        "filter",
        "Filter",
        "List the metrics in which a regular expression is found; enter goes to the list.",
        True,
    ),
    Action("metrics.all", "a", "choose_all", "All", "Draw all metrics in the list, or none.", True),
    Action("chosen.enter", "enter", "enter", "Fold", "Fold or unfold a group; draw a metric."),
    Action("metrics.clear", "escape", "clear", "Clear", "List all metrics again."),
    Action("curves.back", "left,h", "move(-1)", "Left", "Move the cursor back one epoch."),
    Action("curves.on", "right,l", "move(1)", "Right", "Move the cursor forward one epoch."),
    *(
        Action(f"compare.{v}", str(i), f"view('{v}')", v.capitalize(), _VIEW_HELP[v])
        for i, v in enumerate(COMPARED, start=1)
    ),
    Action("compare.next_view", "tab", "step_view(1)", "Next view", "Go to the next view."),
    Action(
        "compare.previous_view",
        "shift+tab",
        "step_view(-1)",
        "Previous view",
        "Go to the previous view.",
    ),
    Action("compare.layer_back", "less_than_sign", "layer(-1)", "Layer -", "Previous layer."),
    Action("compare.layer_on", "greater_than_sign", "layer(1)", "Layer +", "Next layer."),
    Action("compare.epoch_back", "comma", "epoch(-1)", "Epoch -", "Previous checkpoint of run A."),
    Action("compare.epoch_on", "full_stop", "epoch(1)", "Epoch +", "Next checkpoint of run A."),
    Action("compare.epoch_first", "0", "end_epoch(0)", "First epoch", "First checkpoint of run A."),
    Action(
        "compare.epoch_last",
        "dollar_sign",
        "end_epoch(-1)",
        "Last epoch",
        "Last checkpoint of run A.",
    ),
    Action(
        "compare.boundary_back",
        "left_square_bracket",
        "boundary(-1)",
        "Boundary -",
        "Previous phase boundary of any run.",
    ),
    Action(
        "compare.boundary_on",
        "right_square_bracket",
        "boundary(1)",
        "Boundary +",
        "Next phase boundary of any run.",
    ),
    Action(
        "compare.zoom",
        "z",
        "zoom_range",
        "Zoom",
        "Zoom to a range of epochs: at its first epoch, then at its last; or drag the mouse.",
        True,
    ),
    Action("compare.zoom_out", "Z", "zoom_out", "Zoom out", "Show all epochs again."),
    Action(
        "compare.axis", "x", "axis", "Log/linear", "Switch the logarithmic and linear epoch axis."
    ),
    Action("compare.play", "space", "play", "Play", "Play through the checkpoints, or stop."),
    Action("compare.kind", "m", "kind", "Measure", "Next similarity measure.", True),
    Action(
        "compare.reference", "r", "reference", "Reference", "Change the reference checkpoint.", True
    ),
    Action(
        "compare.align",
        "a",
        "align",
        "Align",
        "Link the cursors by epoch, or by phase: onset to onset, fit to fit.",
        True,
    ),
    Action("compare.stretch", "plus,minus", "stretch", "Contrast", "Stretch the colours, or not."),
    Action(
        "compare.blurred",
        "u",
        "blurred",
        "Errors",
        "Grey the cells whose difference is no larger than its standard error.",
    ),
    Action("compare.cmap", "v", "colours", "Colours", "Next colour map."),
    Action(
        "compare.scale",
        "s",
        "scale",
        "Scale",
        "What colours span: fixed limits, the same for all runs; the values of these runs; fixed and linear.",
    ),
    Action("compare.export", "e", "export", "Export", "Save the view as PNG, SVG and CSV.", True),
    Action(
        "scores.details", "d", "details", "All scores", "Show all scores with their ranks.", True
    ),
    Action("compare.back", "q", "back", "Back", "Back to the runs.", True),
    Action(
        "compare.escape", "escape", "escape", "Leave", "Leave the zoom, or go back to the runs."
    ),
)


CURSOR = tuple(
    f"cursor.{way}"
    for way in (
        *("left", "right", "up", "down", "page_up", "page_down", "half_up", "half_down"),
        *("top", "bottom", "first", "last"),
    )
)
"""The actions of the widgets that have a cursor."""

RENAMED: Mapping[str, str] = {
    "run.stretch": "run.contrast_on",
    "curves.smooth": "curves.smoother",
}
"""Former names of actions, which files of keys may still use."""


def bindings(*places: str) -> list[BindingType]:
    """Return the bindings of some places, in table order."""
    return [action.binding() for action in ACTIONS if action.place in places]


def by_name() -> Mapping[str, Action]:
    """Return the actions by name."""
    return {action.name: action for action in ACTIONS}


def keys_file() -> Path:
    """Return the path of the file that changes keys."""
    home = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(home) / "repdyn" / "keys.yaml"


def read_keymap(path: Path) -> dict[str, str]:
    """Return the keys that a file assigns to actions; empty if there is no file.

    Raises:
        UserError: the file is not YAML of names and keys, or names an unknown action.
    """
    try:
        content = read_regular(path, MOST_BYTES)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None
    return parse_keymap(str(path), content)


def parse_keymap(source: str, content: bytes) -> dict[str, str]:
    """Return the keys that a file's content assigns to actions.

    Raises:
        UserError: it is not YAML of names and keys, or names an unknown action.
    """
    advice = "write keys as `action: key` lines, such as `run.kind: x`"
    try:
        keymap = parse_mapping(content, advice)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from None
    keymap = {RENAMED.get(name, name): keys for name, keys in keymap.items()}
    strange = [name for name in keymap if name not in by_name() and name not in CURSOR]
    if strange:
        first = " ".join(strange[0].split())[:100]
        raise UserError(f"{source}: unknown action {first}; see the help (?) for the names")
    return {name: str(keys) for name, keys in keymap.items()}
