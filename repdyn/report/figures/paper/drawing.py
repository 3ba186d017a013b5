"""All figures that a paper's runs have data for, each with its caption."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from repdyn.analysis.findings import Finding
from repdyn.display.labels import PHASES
from repdyn.display.metrics import main_groups
from repdyn.display.reading import measured
from repdyn.display.scale import Scale, ScaleKind
from repdyn.display.similarity import common_scale, similarity
from repdyn.errors import UserError
from repdyn.measures.spec import MEASURES, MeasureSpec
from repdyn.report.figures.drift import rates_over_seeds
from repdyn.report.figures.matrices import LINES
from repdyn.report.figures.paper import captions
from repdyn.report.figures.paper.effects import effect_panels, score_panels, untested
from repdyn.report.figures.paper.error_curves import error_curves
from repdyn.report.figures.paper.forest import Panel, forest, pages
from repdyn.report.figures.paper.layer_curves import drift_curves, profile_curves
from repdyn.report.figures.paper.matrices import matrices
from repdyn.report.figures.paper.profiles import profiles
from repdyn.report.figures.paper.regions import decision_regions
from repdyn.report.figures.paper.shown import Shown, with_measure

MOST_GROUPS = 6
"""Groups of runs that fit below each other on a page; more take several figures."""


@dataclass(frozen=True)
class PaperFigure:
    """A figure that can be drawn at any width.

    Attributes:
        name: of its files, before the width.
        title: what it shows, on a line.
        caption: what it shows, and of which runs.
        draw: draws it, given its width in inches.
    """

    name: str
    title: str
    caption: str
    draw: Callable[[float], Figure]


def paper_figures(
    shown: Sequence[Shown], how: ScaleKind = "fixed", findings: Sequence[Finding] = ()
) -> list[PaperFigure]:
    """Return the figures that the runs have data for.

    Args:
        shown: groups of runs.
        how: what colours span, of display/scale.py.
        findings: judged on these runs; none where they are not compared.

    Raises:
        UserError: there is nothing to draw.
    """
    figures: list[PaperFigure] = []
    for measure in MEASURES.values():
        having = with_measure(shown, measure.name)
        if having:
            figures += _of_measure(having, measure, how)
    figures += _error_curves(shown)
    figures += _regions(shown)
    if findings:
        figures += _forests(shown, findings)
    if not figures:
        raise UserError("nothing to draw: no run has a checkpoint or logs a metric")
    return figures


def _of_measure(
    having: Sequence[Shown], measure: MeasureSpec, how: ScaleKind
) -> Iterator[PaperFigure]:
    """Yield the figures of a similarity, its E×E matrices only if the paper's findings are judged on it."""
    scale = common_scale([similarity(measured(g.record), measure.name) for g in having], how)
    if measure.of_paper:
        yield from _matrices(having, measure, scale, how)
    yield from _profiles(having, measure, scale, how)
    yield from _drift(having, measure)


def _matrices(
    having: Sequence[Shown], measure: MeasureSpec, scale: Scale, how: str
) -> Iterable[PaperFigure]:
    title = f"{measure.title} between checkpoints"

    def caption(page: Sequence[Shown]) -> str:
        return captions.joined(
            f"{title} (E×E) of layers in order of depth, evenly spaced if not all fit.",
            captions.scale_words(measure, scale, how),
            captions.line_words(page, LINES, first=True),
            captions.dot_words(page, measure, "both their neighbours towards the start"),
        )

    def draw(page: Sequence[Shown], width: float) -> Figure:
        return matrices(page, measure.name, scale, width)

    return _paged(f"matrices_{measure.name}", title, having, caption, draw, first=True)


def _profiles(
    having: Sequence[Shown], measure: MeasureSpec, scale: Scale, how: str
) -> Iterator[PaperFigure]:
    title = f"{measure.title} of each layer with itself at the last checkpoint"
    several = any(len(group.runs) > 1 for group in having)

    def heatmap_caption(page: Sequence[Shown]) -> str:
        return captions.joined(
            f"{title}, the first layer on top.",
            "Medians over the runs of a group." if several else "",
            "That checkpoint itself is grey.",
            captions.scale_words(measure, scale, how),
            captions.line_words(page, LINES),
            captions.dot_words(page, measure, "the checkpoint before"),
        )

    def curves_caption(page: Sequence[Shown]) -> str:
        return captions.joined(
            f"{title}.",
            captions.band_words(page, measure),
            captions.scale_words(measure, scale, how, "Vertical axis"),
            captions.line_words(page, LINES),
            captions.layer_words(
                {group.label: measured(group.record).names(measure.name) for group in page}
            ),
        )

    def draw_heatmaps(page: Sequence[Shown], width: float) -> Figure:
        return profiles(page, measure.name, scale, width)

    def draw_curves(page: Sequence[Shown], width: float) -> Figure:
        return profile_curves(page, measure.name, scale, width)

    yield from _paged(f"layers_{measure.name}", title, having, heatmap_caption, draw_heatmaps)
    yield from _paged(f"layer_curves_{measure.name}", title, having, curves_caption, draw_curves)


def _drift(having: Sequence[Shown], measure: MeasureSpec) -> Iterable[PaperFigure]:
    def caption(page: Sequence[Shown]) -> str:
        return captions.joined(
            captions.drift_words(page, measure),
            captions.band_words(page),
            "What lies in the hatched part of the axis is below the resolution of stored similarities.",
            captions.line_words(page, LINES),
            captions.layer_words({g.label: measured(g.record).layers for g in page}),
        )

    def draw(page: Sequence[Shown], width: float) -> Figure:
        return drift_curves(page, measure.name, width)

    rated = [
        replace(group, runs=runs)
        for group in having
        if (runs := tuple(r for r in group.runs if rates_over_seeds([r], measure.name) is not None))
    ]
    title = f"Drift rate of layers by {measure.long_label}"
    return _paged(f"drift_{measure.name}", title, rated, caption, draw)


def _error_curves(shown: Sequence[Shown]) -> Iterable[PaperFigure]:
    with_metrics = (tuple(r for r in group.runs if main_groups(r.curves)) for group in shown)
    having = [replace(g, runs=runs) for g, runs in zip(shown, with_metrics, strict=True) if runs]

    def caption(page: Sequence[Shown]) -> str:
        several = any(len(group.runs) > 1 for group in page)
        interval = "hatched where a boundary may lie"
        over = f"{interval}: its interval, or the range over the runs" if several else interval
        return captions.joined(
            "Training and test error, and accuracy on the flipped labels (noisy fit); below them "
            f"the phases, {over}.",
            captions.band_words(page),
            captions.line_words(page, PHASES, marked=False),
        )

    title = "Errors and phases over training"
    return _paged("error_curves", title, having, caption, error_curves)


def _regions(shown: Sequence[Shown]) -> Iterator[PaperFigure]:
    names: list[str] = []
    for group in shown:
        if group.regions is not None:
            names.append(_unused(f"decision_regions_{_file_name(group.label)}", names))
            words = captions.region_words(group, group.regions)
            caption = "\n".join([words, *captions.run_lines([group], first=True)])
            title = "Decision regions on a plane through three images"
            yield PaperFigure(names[-1], title, caption, _regions_of(group))


def _regions_of(group: Shown) -> Callable[[float], Figure]:
    def draw(width: float) -> Figure:
        assert group.regions is not None  # noqa: S101 - only such groups are drawn
        return decision_regions(group.label, group.record, group.regions, width)

    return draw


def _forests(shown: Sequence[Shown], findings: Sequence[Finding]) -> Iterator[PaperFigure]:
    lines = captions.run_lines(shown)
    effects = captions.joined(
        "What the runs say about the paper's claims: differences between matched runs of a seed, "
        "positive where they support the claim, and shares of runs with the line at what chance gives.",
        captions.interval_words(),
        "A claim that several differences support together has wider intervals (Bonferroni).",
        *(f"Not testable on these runs: {claim}" for claim in untested(findings)),
    )
    scores = captions.joined("Scores of each group of runs.", captions.interval_words())
    yield from _forest(
        "effects",
        "Effects by which the findings are judged",
        effect_panels(findings),
        [effects, *lines],
    )
    panels = score_panels({group.label: group.runs for group in shown})
    yield from _forest("scores", "Scores of the groups of runs", panels, [scores, *lines])


def _forest(
    name: str, title: str, panels: Sequence[Panel], caption: Sequence[str]
) -> Iterator[PaperFigure]:
    for i, page in enumerate(pages(panels)):

        def draw(width: float, page: Sequence[Panel] = page) -> Figure:
            return forest(page, width)

        yield PaperFigure(_page_name(name, i), title, "\n".join(caption), draw)


def _paged(
    name: str,
    title: str,
    having: Sequence[Shown],
    caption: Callable[[Sequence[Shown]], str],
    drawn: Callable[[Sequence[Shown], float], Figure],
    *,
    first: bool = False,
) -> Iterator[PaperFigure]:
    """Yield a figure for as many groups as a page holds, with its caption and a line for each."""
    for i, start in enumerate(range(0, len(having), MOST_GROUPS)):
        page = having[start : start + MOST_GROUPS]

        def draw(width: float, page: Sequence[Shown] = page) -> Figure:
            return drawn(page, width)

        said = "\n".join([caption(page), *captions.run_lines(page, first=first)])
        yield PaperFigure(_page_name(name, i), title, said, draw)


def _page_name(name: str, page: int) -> str:
    return f"{name}-{page + 1}" if page else name


def _file_name(label: str) -> str:
    """Return a label as part of a file's name."""
    return re.sub(r"[^a-z0-9.]+", "-", label.casefold()).strip("-.")[:60] or "run"


def _unused(name: str, used: Sequence[str]) -> str:
    """Return the name, with a number if it is used."""
    numbered = (name, *(f"{name}-{i}" for i in range(2, len(used) + 2)))
    return next(one for one in numbered if one not in used)
