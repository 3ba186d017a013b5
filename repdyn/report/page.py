"""A comparison as one self-contained HTML file: to read offline, in an email, on a phone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import version
from platform import python_version

from repdyn.analysis.effects import Effect
from repdyn.analysis.findings import Finding
from repdyn.analysis.scores import MEANINGS
from repdyn.analysis.verdicts import ALIKE, CONFIDENCE, MARGINS, SHARE_MARGIN, Verdict
from repdyn.display.labels import PHASES
from repdyn.display.wording import key_words, noise, plain, score_words, trained_here
from repdyn.report.comparison import (
    FITTED,
    SPIKY,
    Comparison,
    contrast_words,
    counts,
    effect_words,
    finding_words,
    groups,
    has_findings,
    holds,
    measures_of,
    numbers,
    score_names,
    spread,
    untestable_words,
)
from repdyn.score_key import ScoreKey
from repdyn.step_words import counted

CAPTIONS = {
    "scores": "The scores of each run (dots) and the mean of each group (bars).",
    "drift": "How fast each layer drifts, for the first run of each group. Lines at memorisation "
    "onset (dashed) and perfect fit. A break shows as a step down at the fit; layers in synchrony "
    "move as one.",
    "cross_cka": "CKA between two runs that differ in their optimizer: each layer with its "
    "counterpart over the epochs, and all pairs of layers at the end.",
}
"""What a figure of the comparison shows, by its name."""

PACKAGES = ("repdyn", "torch", "timm", "mlflow", "numpy", "scipy", "scikit-learn", "ruptures")

CLASSES: Mapping[Verdict, str] = {
    "supported": "yes",
    "refuted": "no",
    "no difference of note": "none",
    "undecided": "open",
}


def page(comparison: Comparison, figures: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        comparison: to show.
        figures: PNGs by name; those in CAPTIONS get a caption, others their name.
    """
    title = plain(comparison.title)
    body = [
        f"<header><p class=kicker>repdyn</p><h1>{escape(title)}</h1>"
        f"<p>{escape(_what(comparison))}</p></header>",
        _section("Findings", _findings(comparison), _rule()),
        _notes(comparison.notes),
        _section("Numbers", _numbers(comparison), "Mean over runs (smallest–largest)."),
        _section("Figures", "".join(_figure(*item) for item in figures.items())),
        _section("What the scores mean", _meanings(score_names(comparison))),
        _section("Settings", _settings(comparison)),
        _section("Runs", _runs(comparison)),
        f"<footer>{escape(_versions())}</footer>",
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · repdyn</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _what(comparison: Comparison) -> str:
    params = comparison.runs[0].summary.params
    seeds = {run.summary.params.get("seed", "") for run in comparison.runs}
    shares = ", ".join(sorted({noise(run.summary) or "no" for run in comparison.runs}))
    runs = f"{counted(len(comparison.runs), 'run')} in {counted(len(groups(comparison)), 'group')}"
    if not trained_here(comparison.runs[0].summary):
        return runs
    return (
        f"{runs}, {_seeds(len(seeds))}, on "
        f"{plain(params.get('dataset', ''))} ({plain(params.get('train_size', ''))} training "
        f"images, {shares} label noise)"
    )


def _seeds(n: int) -> str:
    return "1 seed" if n == 1 else f"{n} seeds"


def _rule() -> str:
    margins = ", ".join(f"{score_words(score)} {margin:g}" for score, margin in MARGINS.items())
    return (
        "Differences between matched runs are averaged within a seed; an effect is the mean over "
        f"seeds with its {100 * CONFIDENCE:g} % interval by Student's t, wider where a finding counts more "
        "than two effects. Supported: the interval lies above 0 and reaches the smallest difference "
        f"that matters ({margins}). Refuted: it lies below that. No difference of note: it lies "
        "within ± that. Undecided: otherwise, and if fewer than "
        f"{ALIKE} seeds all have the same value; the number of seeds given is the one with which an "
        "interval around the same mean, with the same spread, would decide. Where runs have several "
        "learning rates, differences are those between the sides' curves of the score against the "
        "log epoch of perfect fit, where they overlap. A share of runs has an exact interval that "
        "counts the runs of a seed as one; it is compared with the share of phase-randomised copies "
        f"of the runs instead of 0, and refuted below {SHARE_MARGIN:g}. A finding is as the least "
        "favourable of its counted effects."
    )


def _findings(comparison: Comparison) -> str:
    """Return the findings, or why they cannot be tested; nothing for loops of one's own."""
    ours = any(trained_here(run.summary) for run in comparison.runs)
    shown = comparison.findings if ours or has_findings(comparison) else ()
    return "".join(_finding(finding, holds(comparison, finding)) for finding in shown)


def _finding(finding: Finding, holding: str) -> str:
    kind = CLASSES[finding.verdict]
    head = ("score", "contrast", "effect", "from", "verdict")
    table = _table(head, map(_effect, finding.effects))
    below = f"<p>{escape(holding)}</p>" if holding else ""
    return (
        f"<article class={kind}><h3>{escape(finding.claim)} "
        f"<span class=verdict>{escape(finding_words(finding))}</span></h3>{table}{below}</article>"
    )


def _effect(effect: Effect) -> Sequence[str]:
    if effect.untestable:
        return key_words(effect.score), contrast_words(effect), "–", "–", untestable_words(effect)
    return (
        key_words(effect.score),
        contrast_words(effect),
        numbers(effect),
        counts(effect),
        effect_words(effect),
    )


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<aside><h2>Keep in mind</h2><ul>{items}</ul></aside>" if items else ""


def _numbers(comparison: Comparison) -> str:
    shown = groups(comparison)
    rows = [
        (state, *(group.states().get(state, "–") for group in shown))
        for state in (FITTED, SPIKY)
        if any(group.states() for group in shown)
    ]
    rows += [
        (PHASES[name], *(spread(group.epochs(name), 0) for group in shown))
        for name in PHASES
        if any(group.epochs(name) for group in shown)
    ]
    for score in score_names(comparison):
        rows += [
            (
                key_words(ScoreKey(score, measure)),
                *(spread(group.scores(ScoreKey(score, measure)), 2) for group in shown),
            )
            for measure in measures_of(comparison)
            if any(group.scores(ScoreKey(score, measure)) for group in shown)
        ]
    if not rows:
        return ""
    even = len({len(group.runs) for group in shown}) == 1
    heads = (g.label if even else f"{g.label} ({_seeds(len(g.runs))})" for g in shown)
    return _table(("", *heads), rows)


def _figure(name: str, png: bytes) -> str:
    caption = escape(CAPTIONS.get(name, plain(name)))
    data = b64encode(png).decode()
    return (
        f'<figure><div class=wide><img alt="{caption}" src="data:image/png;base64,{data}"></div>'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _meanings(stems: Iterable[str]) -> str:
    items = (
        f"<dt>{escape(score_words(s))}</dt><dd>{escape(MEANINGS[s])}</dd>"
        for s in stems
        if s in MEANINGS
    )
    body = "".join(items)
    return f"<dl>{body}</dl>" if body else ""


def _settings(comparison: Comparison) -> str:
    """Return the settings that all runs share, and by group those in which groups differ."""
    params = [run.summary.params for run in comparison.runs]
    names = list(dict.fromkeys(name for one in params for name in one))
    values = {name: list(dict.fromkeys(one.get(name, "") for one in params)) for name in names}
    shared = [(name, plain(v[0])) for name, v in values.items() if len(v) == 1 and v[0] != "None"]
    of_seeds = {"seed", "data_seed"} - set(comparison.varied)
    differing = [name for name, v in values.items() if len(v) > 1 and name not in of_seeds]
    by_group = [
        (group.label, *(plain(group.runs[0].summary.params.get(n, "")) for n in differing))
        for group in groups(comparison)
    ]
    details = "<details><summary>Settings of all runs</summary>"
    return (_table(("group", *differing), by_group) if differing else "") + (
        f"{details}{_table(('setting', 'value'), shared)}</details>" if shared else ""
    )


def _runs(comparison: Comparison) -> str:
    known = {name for run in comparison.runs for name in run.summary.params}
    seeds = [name for name in ("seed", "data_seed") if name in known]
    rows = [
        (
            plain(run.summary.name),
            run.summary.run_id,
            *(plain(run.summary.params.get(name, "")) for name in seeds),
        )
        for run in comparison.runs
    ]
    return (
        "<details><summary>Names and ids</summary>"
        + _table(("run", "id", *(name.replace("_", " ") for name in seeds)), rows)
        + "</details>"
    )


def _versions() -> str:
    known = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{known}, Python {python_version()}"


def _section(title: str, body: str, lead: str = "") -> str:
    """Return a section; nothing if it has no body."""
    if not body:
        return ""
    said = f"<p class=dim>{escape(lead)}</p>" if lead else ""
    return f"<section><h2>{escape(title)}</h2>{said}{body}</section>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("<tr>" + "".join(f"<td>{_cell(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return (
        f"<div class=wide><table><thead><tr>{top}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    """Return a cell's content, with line breaks allowed between the words of a name."""
    return escape(text).replace("_", "_<wbr>")


STYLE = """
:root { --ground: #fff; --ink: #1b1f24; --dim: #5d6670; --line: #d8dde3; --card: #f6f8fa;
  --yes: #1a7f37; --no: #b42318; --open: #8a6100; --none: #0b6e86; }
@media (prefers-color-scheme: dark) { :root { --ground: #14171b; --ink: #e4e8ec; --dim: #9aa4ae;
  --line: #30363d; --card: #1c2127; --yes: #57c274; --no: #ff7b72; --open: #e0ad3d; --none: #5cc4de; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .4rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .5rem; }
.kicker { color: var(--dim); margin: 0; letter-spacing: .08em; }
.dim, figcaption, footer { color: var(--dim); font-size: .88rem; }
article { background: var(--card); border-left: 4px solid var(--dim); border-radius: 4px;
  padding: .8rem 1rem; margin: 0 0 .8rem; }
.verdict { font-size: .8rem; font-weight: 600; display: inline-block; padding: .1rem .5rem;
  border: 1px solid; border-radius: 1rem; margin-left: .3rem; }
.yes { border-left-color: var(--yes); } .yes .verdict { color: var(--yes); }
.no { border-left-color: var(--no); } .no .verdict { color: var(--no); }
.none { border-left-color: var(--none); } .none .verdict { color: var(--none); }
.open { border-left-color: var(--open); } .open .verdict { color: var(--open); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
article td:last-child { white-space: normal; min-width: 12rem; }
th { color: var(--dim); font-weight: 600; }
@media (max-width: 40rem) { article thead { display: none; }
  article tr { display: flex; flex-wrap: wrap; column-gap: .8rem; padding: .3rem 0;
    border-bottom: 1px solid var(--line); }
  section > .wide td:first-child { white-space: normal; min-width: 8rem; }
  article td { border: 0; padding: 0; white-space: normal; } }
figure { margin: 0 0 1.6rem; }
img { display: block; width: 100%; min-width: 38rem; background: #fff; border-radius: 4px; }
figcaption { margin-top: .4rem; }
dt { font-weight: 600; } dd { margin: 0 0 .5rem; color: var(--dim); }
summary { cursor: pointer; margin: .8rem 0 .4rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; }
"""
