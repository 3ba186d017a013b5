"""What the terminal is sent when the cursor moves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.ansi import AnsiDecoder
from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import CompositorUpdate, LayoutUpdate
from textual.app import App
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tests.support import fakes
from tests.support.drawn import Stage, play
from tests.support.heatmaps import heatmap_data
from tui.app import RepdynApp
from tui.partial_updates import Shown
from tui.pen import Pen
from tui.widgets.heatmap import Heatmap

CODE = re.compile(r"\x1b\[([\d;]*)([ABCDGHm])|(\x1bD|\x1bM|\x08)|([^\x1b\x08]+)")
STEPS = {"A": (-1, 0), "B": (1, 0), "C": (0, 1), "D": (0, -1)}
SHORT_STEPS = {"\x1bD": STEPS["B"], "\x1bM": STEPS["A"], "\x08": STEPS["D"]}

Piece = tuple[int, int, str]


def written(sent: str) -> Iterator[tuple[int, int, str, str]]:
    """Line, column, text and look of each text that is sent, as a terminal takes them."""
    line, column, style = 0, 0, "\x1b[0m"
    for code in CODE.finditer(sent):
        numbers, kind, short, text = code.groups()
        if kind == "H":
            line, column = (int(number) - 1 for number in numbers.split(";"))
        elif kind == "G":
            column = int(numbers) - 1
        elif kind == "m":
            style += code.group()
        elif kind:
            down, right = (int(numbers or 1) * step for step in STEPS[kind])
            line, column = line + down, column + right
        elif short:
            down, right = SHORT_STEPS[short]
            line, column = line + down, column + right
        else:
            yield line, column, text, style
            column += cell_len(text)


def pieces(sent: str) -> list[Piece]:
    """Line, column and text of each piece that is sent."""
    found: list[Piece] = []
    for line, column, text, _ in sorted(written(sent)):
        before = found[-1] if found else (-1, 0, "")
        if before[0] == line and before[1] + cell_len(before[2]) == column:
            found[-1] = (line, before[1], before[2] + text)
        else:
            found.append((line, column, text))
    return found


def lines(app: App[Any]) -> list[str]:
    """The text of the screen."""
    return [strip.text for strip in app.screen._compositor.render_strips()]


def sent_after(app: App[Any], widget: Widget) -> str:
    """What is sent for what has changed of a widget."""
    compositor = app.screen._compositor
    compositor.update_widgets({widget})
    update = compositor.render_update()
    Shown().reduce(update)
    assert isinstance(update, CompositorUpdate)
    return update.render_segments(app.console)


def tall() -> Heatmap:
    """Three rows of many checkpoints, no value twice."""
    widget = Heatmap()
    values = np.linspace(0, 1, 60).reshape(3, 20)
    widget.set_data(heatmap_data(values, ("stem", "block", "out"), range(20)))
    return widget


def test_what_is_sent_makes_the_new_screen_of_the_old_one() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        app, widget = stage.pilot.app, stage.widget
        assert isinstance(widget, Heatmap)
        screen = lines(app)
        widget.cursor = (1, 3)
        for line, start, text in pieces(sent_after(app, widget)):
            old = screen[line]
            screen[line] = old[:start] + text + old[start + len(text) :]
        assert screen == lines(app)

    play(tall(), scenario)


def test_of_the_lines_of_cells_only_the_cells_and_labels_are_sent() -> None:
    async def scenario(stage: Stage[Heatmap]) -> None:
        app, widget = stage.pilot.app, stage.widget
        assert isinstance(widget, Heatmap)
        axis = widget._arranged.lines if widget._arranged is not None else 0
        widget.cursor = (0, 15)
        sent_after(app, widget)
        widget.cursor = (0, 14)
        sent = [piece for piece in pieces(sent_after(app, widget)) if piece[0] < axis]
        assert sent
        assert all(start == 0 or len(text) <= 6 for _, start, text in sent)
        assert max(start for _, start, _ in sent) > 40

    play(tall(), scenario)


def test_an_update_that_is_of_another_kind_stays_as_it_is() -> None:
    Shown().reduce(None)
    Shown().reduce("text")


def test_the_app_sends_no_more_of_the_heatmap_than_the_cells(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    updates: list[str] = []

    def shown(app: App[Any], screen: object, update: Any) -> None:
        if update is not None and not app._batch_count:
            updates.append(update.render_segments(app.console))

    async def scenario(stage: fakes.Stage) -> None:
        await stage.sees("CKA with the last checkpoint")
        heatmap = stage.screen.query_one(Heatmap)
        await stage.until(
            lambda: heatmap.region.height == getattr(heatmap.styles.height, "value", 0)
        )
        await stage.press("left")  # drawn with it is what was not yet
        region = heatmap.region
        updates.clear()
        await stage.press("left")
        cells = range(region.y, region.bottom - 2)
        sent = [piece for update in updates for piece in pieces(update) if piece[0] in cells]
        assert sent
        assert all(len(text) < region.width / 4 for _, _, text in sent)

    monkeypatch.setattr(App, "_display", shown)
    fakes.play(scenario, run="run-0", size=(200, 60))


class Terminal:
    """A screen of cells that shows what it is sent."""

    def __init__(self, width: int, height: int) -> None:
        self.cells = [[" "] * width for _ in range(height)]
        self.looks = [[(" ", "default")] * width for _ in range(height)]
        """Each character and how it looks, if none is wide."""

    def take(self, sent: str) -> None:
        for line, at, text, style in written(sent):
            self.looks[line][at : at + len(text)] = seen(style + text)
            for character in text:
                width = cell_len(character)
                if not width:
                    self.cells[line][at - 1] += character
                    continue
                self.cells[line][at : at + width] = [character, *[""] * (width - 1)]
                at += width

    @property
    def lines(self) -> list[str]:
        return ["".join(line) for line in self.cells]


WORDS = ("plain", "", "日本語 wide", "e\u0301 combined", "日", "a日b", "│▀▄", "x" * 12)


@pytest.mark.parametrize("seed", range(8))
def test_after_any_updates_the_terminal_shows_what_was_drawn(seed: int) -> None:
    """Lines and pieces of random text, as whole lines and as spans, one over the other."""
    rng = np.random.default_rng(seed)
    console, shown, terminal = Console(color_system="truecolor"), Shown(), Terminal(24, 3)
    shown.width = 24
    styles = [None, Style.parse("red"), Style.parse("on blue")]
    for _ in range(60):
        lines = [
            Strip(
                [Segment(WORDS[rng.integers(len(WORDS))], styles[rng.integers(3)]) for _ in "ab"]
            ).adjust_cell_length(24)
            for _ in range(3)
        ]
        update = LayoutUpdate([[line] for line in lines], Region(0, 0, 24, 3))
        shown.reduce(update)
        terminal.take(update.render_segments(console))
        assert terminal.lines == [line.text for line in lines]


@pytest.mark.parametrize("seed", range(4))
def test_each_cell_looks_as_drawn_in_whatever_order_it_is_sent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = ("red", "on blue", "bold #123456", "dim #123456 on blue", "reverse red", "underline")
    styles = [None, *map(Style.parse, names)]
    console, shown, terminal = Console(color_system="truecolor"), Shown(), Terminal(12, 3)
    shown.width = 12
    for _ in range(15):
        lines = [
            [(str(rng.choice(["abc", "a b", "   "])), styles[rng.integers(7)]) for _ in range(4)]
            for _ in range(3)
        ]
        strips = [Strip([Segment(text, style) for text, style in line]) for line in lines]
        update = LayoutUpdate([[strip] for strip in strips], Region(0, 0, 12, 3))
        shown.reduce(update)
        terminal.take(update.render_segments(console))
        whole = [
            "".join((style or Style.null()).render(text) for text, style in line) for line in lines
        ]
        assert terminal.looks == list(map(seen, whole))


def test_of_many_colours_each_is_sent_once() -> None:
    console = Console(color_system="truecolor")
    cells = [Segment("x", Style.parse(colour)) for colour in ("#010203", "#fdfeff") * 20]
    update = LayoutUpdate([[Strip(cells)]] * 3, Region(0, 0, 40, 3))
    Shown().reduce(update)
    sent = update.render_segments(console)
    assert sent.count("38;2;1;2;3") == sent.count("38;2;253;254;255") == 1


def test_blanks_whose_ink_changes_are_not_sent_but_for_a_line_through_them() -> None:
    console, shown = Console(color_system="truecolor"), Shown()
    text = "a" + " " * 9 + "b"
    sent = []
    for style in ("bold red on blue", "green on blue", "reverse green on blue"):
        update = LayoutUpdate([[Strip([Segment(text, Style.parse(style))])]], Region(0, 0, 11, 1))
        shown.reduce(update)
        sent.append([text for _, _, text in pieces(update.render_segments(console))])
    assert sent == [[text], ["a", "b"], [text]]


def test_what_the_terminal_shows_already_is_not_sent_again() -> None:
    console, shown = Console(color_system="truecolor"), Shown()

    def sent(text: str) -> str:
        update = LayoutUpdate([[Strip([Segment(text)])]], Region(2, 1, len(text), 1))
        shown.reduce(update)
        return update.render_segments(console)

    assert pieces(sent("epoch 1 of 200")) == [(1, 2, "epoch 1 of 200")]
    assert sent("epoch 1 of 200") == ""
    assert pieces(sent("epoch 7 of 300")) == [(1, 8, "7 of 3")]
    assert pieces(sent("Epoch 7 of 301")) == [(1, 2, "E"), (1, 15, "1")]
    shown.forget()
    assert pieces(sent("Epoch 7 of 301")) == [(1, 2, "Epoch 7 of 301")]


def test_another_style_is_sent() -> None:
    console, shown = Console(color_system="truecolor"), Shown()
    for style, count in (("red", 1), ("red", 0), ("blue", 1)):
        update = LayoutUpdate([[Strip([Segment("x", Style.parse(style))])]], Region(0, 0, 1, 1))
        shown.reduce(update)
        assert len(pieces(update.render_segments(console))) == count


def test_ctrl_l_draws_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[str] = []
    display = RepdynApp._display

    def shows(app: RepdynApp, screen: Any, update: Any) -> None:
        display(app, screen, update)
        if update is not None and not app._batch_count:
            updates.append(update.render_segments(app.console))

    async def scenario(stage: fakes.Stage) -> None:
        await stage.sees("run-0")
        await stage.press("down")
        updates.clear()
        await stage.press("ctrl+l")
        await stage.until(lambda: "run-0" in "".join(updates))

    monkeypatch.setattr(RepdynApp, "_display", shows)
    fakes.play(scenario)


STYLES = st.builds(
    Style,
    color=st.sampled_from([None, "default", "red", "bright_blue", "#123456", "#fedcba"]),
    bgcolor=st.sampled_from([None, "default", "red", "bright_blue", "#123456", "#fedcba"]),
    bold=st.sampled_from([None, True]),
    dim=st.sampled_from([None, True]),
    reverse=st.sampled_from([None, True]),
    underline=st.sampled_from([None, True]),
)
SYSTEMS: tuple[Literal["truecolor", "256", "standard"], ...] = ("truecolor", "256", "standard")


def seen(sent: str) -> list[tuple[str, str]]:
    """Each character and how it looks, by rich's own reader of escape codes."""
    (text,) = AnsiDecoder().decode(sent)
    looks = []
    for at, character in enumerate(text.plain):
        spans = [span.style for span in text.spans if span.start <= at < span.end]
        style = Style.combine([Style.null(), *map(Style.parse, map(str, spans))])
        colour, back = style.color or Color.default(), style.bgcolor or Color.default()
        drawn = not character.isspace() or style.reverse or style.underline
        marks = (bool(style.bold), bool(style.dim), bool(style.reverse), bool(style.underline))
        looks.append((character, f"{back.name} {colour.name} {marks}" if drawn else back.name))
    return looks


@given(st.lists(st.tuples(st.sampled_from(["a", "bc", " ", "  "]), STYLES | st.none()), min_size=1))
@pytest.mark.parametrize("system", SYSTEMS)
def test_text_looks_as_if_each_style_were_sent_whole(
    system: Literal["truecolor", "256", "standard"], written: list[tuple[str, Style | None]]
) -> None:
    console = Console(color_system=system)
    pen = Pen(console)
    for text, style in written:
        pen.write(text, style)
    whole = "".join(
        (style or Style.null()).render(text, color_system=console._color_system)
        for text, style in written
    )
    assert seen(pen.finish()) == seen(whole)


def test_the_way_to_the_next_text_is_the_shortest() -> None:
    there = [(20, 100), (20, 104), (21, 106), (22, 105), (24, 106), (24, 110), (0, 0)]
    pen, absolute = (Pen(Console(color_system="truecolor"), width=width) for width in (120, 0))
    for line, column in there:
        for one in (pen, absolute):
            one.move(column, line)
            one.write("ab", None)
    sent = pen.finish()
    assert len(sent) < len(absolute.finish()) - 10
    assert [place[:2] for place in written(sent)] == there


@pytest.mark.parametrize(("text", "column"), [("x", 9), ("日", 2)])
def test_from_where_terminals_may_differ_no_way_is_relative(text: str, column: int) -> None:
    """After the last column, and after a wide character."""
    pen = Pen(Console(color_system="truecolor"), width=10)
    pen.move(column, 3)
    pen.write(text, None)
    pen.move(column, 4)
    pen.write("y", None)
    assert pen.finish().endswith(f"\x1b[5;{column + 1}Hy")


def test_a_colour_that_has_a_number_in_all_terminals_is_sent_by_it() -> None:
    pen = Pen(Console(color_system="truecolor"))
    pen.write("a", Style.parse("#121212 on #131313"))
    assert pen.finish() == "\x1b[38;5;233;48;2;19;19;19ma\x1b[0m"


def test_of_a_style_only_what_changes_is_sent() -> None:
    pen = Pen(Console(color_system="truecolor"))
    for text, style in (("a", "red on blue"), ("b", "green on blue"), (" ", "red on blue")):
        pen.write(text, Style.parse(style))
    assert pen.finish() == "\x1b[31;44ma\x1b[32mb \x1b[0m"
