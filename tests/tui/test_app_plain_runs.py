"""A run of another program on the screen: Curves and Info show it, other views say what they need."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from textual.widgets import Input

from repdyn.records import Curve, Phases, RunRecord, RunSummary
from tests.support import synthetic
from tests.support.fakes import FakeSource, Stage, play, record
from tests.support.plain_runs import ODD, POINTS, metrics
from tests.support.present import present
from tui.app import RepdynApp
from tui.screens.curves import CurvesView
from tui.screens.metric_columns import listed_metrics
from tui.screens.run import RunScreen, news
from tui.screens.view import OTHERS_RUN, OTHERS_RUNS
from tui.widgets.curve_stack import CurveStack
from tui.widgets.curves import Curves
from tui.widgets.pager import Pager
from tui.widgets.path_list import PathList
from tui.widgets.picture import Picture

STEPS = np.arange(POINTS)
THEIRS = {
    name: Curve(STEPS, np.array([metrics(step)[name] for step in range(POINTS)]))
    for name in metrics(0)
}
ODD_CURVES = {
    name: Curve(np.array([step for step, _ in points]), np.array([value for _, value in points]))
    for name, points in ODD.items()
}


def theirs(curves: dict[str, Curve] | None = None, **changes: object) -> RunRecord:
    """A run without anything of repdyn's."""
    names: dict[str, object] = {"run_id": "0" * 32, "name": "theirs", "tags": {"team": "vision"}}
    summary = synthetic.summary(**(names | changes))
    return RunRecord(summary, None, THEIRS if curves is None else curves, Phases(), {})


def shown(stage: Stage) -> list[list[str]]:
    """The names of the curves in each plot."""
    stacks = stage.screen.query("#curves CurveStack").results(CurveStack)
    return [list(plot.names) for stack in stacks for plot in stack.plots if plot.display]


def front(stage: Stage) -> str:
    assert isinstance(stage.screen, RunScreen)
    return stage.screen._view


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_it_opens_on_curves_and_other_views_say_what_they_would_need() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("step 19", "accuracy")
        assert front(stage) == "curves"
        for key in "1234":
            await stage.press(key)
            await stage.until(lambda: OTHERS_RUN in squeezed(stage.text))
            assert "training" not in stage.text
        await stage.press("7")
        await stage.sees("team", "vision", "label_noise")

    play(scenario, FakeSource([theirs()]), run="theirs")


def test_the_list_shows_its_params_and_what_it_reaches() -> None:
    params = {"optimizer": "adam", "lr": "0.1", "depth": "5"}
    params["store"] = "postgresql://me:hunter2@host/runs"

    async def scenario(stage: Stage) -> None:
        await stage.sees("adam 0.1", "depth", "postgresql", "accuracy")
        assert "hunter2" not in stage.text

    play(scenario, FakeSource([theirs(params=params)]))


def test_the_list_has_a_column_of_their_accuracy_and_of_their_loss() -> None:
    """On held-out data, of the metrics that most have; it sorts by them."""
    values = [
        {"val/acc": 0.25, "train_acc": 0.9, "val/loss": 1.5, "system/cpu": 1.0, "epoch": 3.0},
        {"val/acc": 0.75, "train_acc": 0.8, "val/loss": 12.25, "only/acc": 1.0},
        {"val/acc": 0.5, "val/loss": 3.0},
    ]
    runs = [
        theirs(run_id=f"{i}" * 32, name=f"theirs-{i}", metrics=one) for i, one in enumerate(values)
    ]

    async def scenario(stage: Stage) -> None:
        await stage.sees("val/acc", "val/loss", ".750", "12.25")
        assert not {"train_acc", "only/acc", "system/cpu"} & {*stage.text.splitlines()[1].split()}
        for _ in range(9):
            if "val/loss▲" in stage.text:
                break
            await stage.press("s")
        await stage.sees("val/loss▲")
        rows = [line[:60] for line in stage.text.splitlines() if "finished" in line[:20]]
        assert [re.findall(r"theirs-\d", row)[0] for row in rows] == [
            "theirs-0",
            "theirs-2",
            "theirs-1",
        ]

    play(scenario, FakeSource(runs), size=(150, 30))


@pytest.mark.parametrize("ours", ["test/acc", "train/acc"])
def test_beside_runs_with_our_accuracies_the_list_has_their_columns(ours: str) -> None:
    both = [theirs(metrics={"val/acc": 0.25}), record(1, metrics={ours: 0.5})]
    assert listed_metrics([one.summary for one in both[:1]]) == ("val/acc",)
    assert listed_metrics([one.summary for one in both]) == ()


def test_their_accuracies_are_no_less_theirs_for_being_called_as_ours() -> None:
    both = {"train/acc": 0.9, "val/acc": 0.25, "train/loss": 0.1}
    assert listed_metrics([theirs(metrics=both).summary]) == ("val/acc", "train/loss")


def test_side_by_side_they_open_on_curves_and_other_views_say_what_they_would_need() -> None:
    both = [theirs(run_id=f"{i}" * 32, name=f"theirs-{i}") for i in range(2)]

    async def scenario(stage: Stage) -> None:
        await stage.sees("theirs-1")
        await stage.press("space", "space", "c")
        await stage.sees("last step", "accuracy")
        for key in "123":
            await stage.press(key)
            await stage.until(lambda: OTHERS_RUNS in squeezed(stage.text))
            assert "Reference" not in stage.text

    play(scenario, FakeSource(both))


@pytest.mark.parametrize("width", [60, 80])
def test_the_header_keeps_the_end_of_a_long_name_and_the_state(width: int) -> None:
    name = "a-name-" + "as-long-as-it-gets-" * 6 + "seed7"

    async def scenario(stage: Stage) -> None:
        await stage.sees("finished")
        await stage.until(lambda: "-seed7  finished  step" in stage.text.splitlines()[0])
        assert stage.text.splitlines()[0].startswith(" a-name-")

    play(scenario, FakeSource([theirs(name=name)]), run=name, size=(width, 24))


def test_a_view_that_is_left_before_it_is_there_takes_no_keys() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: bool(stage.screen.query(CurvesView)))
        await stage.pilot.press("7")
        await stage.sees("vision")
        await stage.until(lambda: stage.app.focused is stage.screen.query_one("#info PathList"))

    play(scenario, FakeSource([theirs()]), run="theirs")


def test_without_metrics_it_opens_on_info() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("team", "vision")
        assert front(stage) == "info"

    play(scenario, FakeSource([theirs({})]), run="theirs")


@pytest.mark.parametrize("status", ["FAILED", "KILLED"])
def test_it_is_not_told_how_to_resume_with_repdyn(status: str) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees(status.lower())
        assert "resume" not in stage.text

    play(scenario, FakeSource([theirs(status=status)]), run="theirs")


def test_accuracy_and_loss_are_drawn_in_plots_of_their_own() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.until(lambda: shown(stage) == [["accuracy"], ["loss", "val_loss"]])

    play(scenario, FakeSource([theirs()]), run="theirs")


@pytest.mark.parametrize(("size", "plots"), [((60, 20), 2), ((80, 24), 3), ((200, 60), 3)])
def test_there_are_as_many_plots_as_fit_and_the_rest_is_named(
    size: tuple[int, int], plots: int
) -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("accuracy")
        await stage.press("a")
        await stage.until(lambda: len(shown(stage)) == plots)
        await stage.sees("not drawn:")

    play(scenario, FakeSource([theirs()]), run="theirs", size=size)


def test_a_chosen_metric_under_the_cursor_is_always_drawn() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("accuracy")
        await stage.press("a")
        tree = stage.screen.query_one(PathList)
        tree.go_to("système/mémoire")
        await stage.until(lambda: any("système/mémoire" in names for names in shown(stage)))

    play(scenario, FakeSource([theirs()]), run="theirs")


def test_space_chooses_a_group_at_once_and_enter_folds_it() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("accuracy", "head")
        tree = stage.screen.query_one(PathList)
        tree.go_to("grad/")
        await stage.press("space")
        grads = {name for name in THEIRS if name.startswith("grad/")}
        assert grads <= tree.chosen
        await stage.sees("4/4")
        await stage.press("enter")
        assert "block0" not in "\n".join(tree.render_line(y).text for y in range(20))
        await stage.press("enter", "space")
        assert not grads & tree.chosen

    play(scenario, FakeSource([theirs()]), run="theirs")


def test_a_regular_expression_lists_metrics_as_it_is_typed() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("accuracy")
        tree = stage.screen.query_one(PathList)
        await stage.press("slash", *"block.")
        await stage.until(lambda: set(tree._names) == {n for n in THEIRS if "block" in n})
        await stage.press("left_square_bracket")
        await stage.sees("not a regular expression: unterminated character set")
        assert len(tree._names) == 3
        assert front(stage) == "curves"
        await stage.press("backspace", "enter", "a")
        await stage.until(lambda: {n for n in THEIRS if "block" in n} <= tree.chosen)
        assert "accuracy" in tree.chosen, "what is not listed stays chosen"
        await stage.press("escape")
        await stage.until(lambda: len(tree._names) == len(THEIRS))
        assert front(stage) == "curves"
        assert not stage.screen.query_one("#pattern", Input).display

    play(scenario, FakeSource([theirs()]), run="theirs")


def test_an_expression_that_no_metric_has_is_said() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("accuracy")
        await stage.press("slash", *"nowhere")
        await stage.sees("no metric contains nowhere")

    play(scenario, FakeSource([theirs()]), run="theirs")


def test_odd_metrics_are_drawn_and_read_out() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("constant")
        await stage.press("a")
        await stage.until(lambda: len(stage.screen.query_one(PathList).chosen) == len(ODD))
        seen = ""
        tree = stage.screen.query_one(PathList)
        for name in ODD:
            tree.go_to(name)
            await stage.press("end", "left", "home", "right")
            for keys in (["L"], ["plus"], ["minus"]):
                await stage.press(*keys)
            seen += stage.text
        assert "学習/損失" in seen

    play(scenario, FakeSource([theirs(ODD_CURVES)]), run="theirs")


def test_nan_and_infinity_are_read_out_as_logged() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("some")
        tree = stage.screen.query_one(PathList)
        view = stage.screen.query_one(CurvesView)
        tree.choose({"nan/some"})
        view.action_smooth(0)
        for epoch, words in ((1, "NaN"), (3, "inf"), (4, "-inf"), (5, "2.000")):
            view.point(replace(view.look, epoch=epoch))
            await stage.until(lambda words=words: f"nan/some {words}" in squeezed(stage.text))  # type: ignore[misc]
        await stage.sees("×")

    play(scenario, FakeSource([theirs(ODD_CURVES)]), run="theirs")


def test_curves_of_very_many_metrics_are_read_when_chosen() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("loss")
        tree = stage.screen.query_one(PathList)
        assert any(row.folded for row in tree._rows), "so many lines would hide the others"
        await stage.press("slash", *"w7$", "enter")
        await stage.until(lambda: list(tree._names) == ["grad/w7"])
        await stage.press("space")
        await stage.until(lambda: any("grad/w7" in names for names in shown(stage)))

    unread = {f"grad/w{i}": Curve(STEPS, STEPS * float(i)) for i in range(3000)}
    found = replace(theirs(), unread=tuple(unread))
    play(scenario, FakeSource([found], unread=unread), run="theirs")


def test_a_live_run_that_has_logged_nan_is_not_read_again_until_it_changes() -> None:
    live = theirs(ODD_CURVES, status="RUNNING", ended=None, metrics={"loss": float("nan")})

    class Fresh(FakeSource):
        """Gives NaN of its own to each that asks, as a database does."""

        def summary(self, run: str) -> RunSummary:
            return replace(super().summary(run), metrics={"loss": float("nan")})

    source = Fresh([live])
    assert news(source, "theirs", live) is None
    source.records = [theirs(ODD_CURVES, status="RUNNING", ended=None, tags={"team": "speech"})]
    assert news(source, "theirs", live) is source.records[0]


def test_the_smoothed_readout_has_the_smoothed_values_and_says_so() -> None:
    zigzag = Curve(STEPS, (STEPS % 2).astype(float))

    async def scenario(stage: Stage) -> None:
        await stage.sees("loss")
        await stage.press("end", "right", "left")
        await stage.press("plus")
        await stage.until(lambda: "smoothed mean of 3 steps" in squeezed(stage.text))
        value = "0.667" if stage.look.epoch % 2 == 0 else "0.333"  # type: ignore[operator]
        assert re.search(rf"loss {value}\s*$", stage.text, re.M)
        await stage.press(*["plus"] * 9)
        await stage.until(lambda: "mean of 31 steps" in squeezed(stage.text))
        await stage.press(*["minus"] * 9)
        await stage.until(lambda: "mean of" not in stage.text)

    play(scenario, FakeSource([theirs({"loss": zigzag})]), run="theirs")


# --- info and artifacts

FILES = {
    "log.txt": "\n".join(f"line {i} of the log" for i in range(500)).encode(),
    "conf/model.json": '{"depth": 12, "größe": [1, 2]}'.encode(),
    "conf/bad.json": b"{",
    "weights.npy": bytes(100),
    "data": b"\0\1\2",
    "empty.txt": b"",
    "secret.txt": b"s3://key:hunter22@bucket/x \x1b[31m",
    "big.log": b"x" * 1_500_000,
    "bad.png": b"no picture",
}


def picture(size: tuple[int, int] = (40, 20)) -> bytes:
    """A PNG, red on the left and blue on the right."""
    image = Image.new("RGB", size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


async def opened(stage: Stage, path: str) -> None:
    await stage.press("7")
    tree = stage.screen.query_one("#info PathList", PathList)
    await stage.until(lambda: f"Artifacts/{path}" in tree._names)
    tree.go_to(f"Artifacts/{path}")
    await stage.press("enter")


ARTIFACTS = {
    "log.txt": "line 3 of the log",
    "conf/model.json": '"depth": 12,',
    "conf/bad.json": "{",
    "weights.npy": ".npy files are not shown",
    "data": "neither text nor a PNG picture",
    "empty.txt": "This file is empty.",
    "secret.txt": "s3://***@bucket/x [31m",
    "big.log": "the first 1 MB of 1.5 MB; the rest is cut",
    "bad.png": "is no readable PNG picture",
}


def test_enter_shows_an_artifact_or_says_why_not() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("theirs")
        for path, words in ARTIFACTS.items():
            await opened(stage, path)
            await stage.until(lambda words=words: words in squeezed(stage.text))  # type: ignore[misc]
            await stage.press("escape")
            await stage.sees("Artifacts")

    play(scenario, FakeSource([theirs()], files=FILES), run="theirs")


def test_artifacts_are_read_on_the_reader_thread() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "log.txt")
        await stage.sees("line 3 of the log")
        assert stage.source.threads == {"reader"}

    play(scenario, FakeSource([theirs()], files=FILES), run="theirs")


def test_a_search_goes_to_the_lines_that_it_finds() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "log.txt")
        await stage.sees("line 3 of the log")
        await stage.press("slash", *"LINE 4", "enter")
        await stage.sees("not found")
        await stage.press("escape", "slash", *"line 49", "enter")
        await stage.sees("1 of 11 lines", "line 49 of")
        await stage.press("n")
        await stage.sees("2 of 11 lines", "line 490 of")
        await stage.press("N")
        await stage.sees("1 of 11 lines", "line 49 of")
        await stage.press("escape", "escape")
        await stage.sees("Artifacts")

    play(scenario, FakeSource([theirs()], files=FILES), run="theirs")


def test_enter_on_a_param_shows_its_whole_value() -> None:
    long = " ".join(f"word{i}" for i in range(400))

    async def scenario(stage: Stage) -> None:
        await stage.sees("theirs")
        await stage.press("7")
        tree = stage.screen.query_one("#info PathList", PathList)
        await stage.until(lambda: "Params/note" in tree._names)
        assert "word399" not in stage.text
        tree.go_to("Params/note")
        await stage.press("enter")
        await stage.sees("word399")

    play(scenario, FakeSource([theirs(params={"note": long})]), run="theirs", size=(80, 60))


def test_a_picture_is_drawn_in_half_blocks_in_its_proportions() -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "figures/two.png")
        await stage.until(lambda: "▀" in stage.text)
        shown = stage.screen.query_one(Picture)
        columns, lines = shown._room  # a picture of 2:1 in characters of 1:2
        assert abs(columns - 4 * lines) < 4
        assert not stage.screen.query_one(Pager).display
        colours = [
            segment.style.color.get_truecolor()
            for segment in shown.render_line(shown.size.height // 2)
            if segment.text == "▀" and segment.style and segment.style.color
        ]
        assert colours[0] == (255, 0, 0)
        assert colours[-1] == (0, 0, 255)

    play(scenario, FakeSource([theirs()], files={"figures/two.png": picture()}), run="theirs")


@pytest.mark.parametrize("opened_first", [True, False])
@pytest.mark.parametrize(
    ("server", "words"),
    [(None, "the file is /store/{run}/conf/bad.json"), ("http://host", "/artifacts/conf/bad.json")],
)
def test_o_opens_an_artifact_in_mlflows_ui_or_says_where_it_is(
    server: str | None, words: str, opened_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.browser.has_display", lambda: False)

    async def scenario(stage: Stage) -> None:
        await opened(stage, "conf/bad.json")
        await stage.sees("{")
        if not opened_first:
            await stage.press("escape")
            await stage.sees("Artifacts")
        await stage.press("o")
        await stage.until(
            lambda: words.format(run="0" * 32) in stage.app.clipboard or server is None
        )
        await stage.until(
            lambda: any(
                words.format(run="0" * 32) in str(note.message) for note in stage.app._notifications
            )
        )

    source = FakeSource([theirs()], files=FILES, server=server)
    play(scenario, source, run="theirs")


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("kitty", r"\x1b_Ga=T,U=1,"),
        ("iterm2", r"\x1b7\x1b\[\d+;\d+H\x1b\]1337;"),
        ("sixel", r"\x1bP0;1q"),
    ],
)
def test_a_terminal_with_graphics_is_sent_the_picture(
    name: str, sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPDYN_GRAPHICS", name)
    out: list[str] = []
    monkeypatch.setattr(Picture, "_send", lambda self, sequence: out.append(sequence))

    redrawn: list[RepdynApp] = []
    monkeypatch.setattr(RepdynApp, "action_redraw", lambda self: redrawn.append(self))

    async def scenario(stage: Stage) -> None:
        await opened(stage, "two.png")
        await stage.until(lambda: bool(re.search(sent, "".join(out))))
        assert "▀" not in stage.text
        if name == "kitty":
            number = re.search(r"i=(\d+),c=(\d+),r=(\d+)", "".join(out))
            assert number
            line = stage.screen.query_one(Picture).render_line(15)
            held = [s for s in line if "\U0010eeee" in s.text]
            assert [s.text.count("\U0010eeee") for s in held] == [int(number[2])]
            style = present(held[0].style)
            red, green, blue = present(style.color).get_truecolor()
            assert red << 16 | green << 8 | blue == int(number[1]), "its colour is its number"
        await stage.press("escape")
        await stage.sees("Artifacts")
        assert ("\x1b_Ga=d" in "".join(out)) == (name == "kitty"), "it is forgotten"
        await stage.until(lambda: bool(redrawn) == (name != "kitty"))

    play(scenario, FakeSource([theirs()], files={"two.png": picture()}), run="theirs")


def test_without_colours_a_picture_is_drawn_by_its_lightness(no_colour: None) -> None:
    async def scenario(stage: Stage) -> None:
        await opened(stage, "two.png")
        await stage.until(lambda: bool(set("░▒▓█") & set(stage.text)))

    white = io.BytesIO()
    Image.new("RGB", (30, 30), "white").save(white, "PNG")
    play(scenario, FakeSource([theirs()], files={"two.png": white.getvalue()}), run="theirs")


def test_repdyns_own_runs_open_on_the_overview() -> None:
    async def scenario(stage: Stage) -> None:
        await stage.sees("epoch 200/200")
        assert front(stage) == "overview"
        assert isinstance(stage.screen.query_one("#overview Curves", Curves), Curves)

    play(scenario, FakeSource([record()]), run="run-0")
