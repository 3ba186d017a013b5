"""The registry of similarity measures: their names, and the range and display of their values.

Code that stores, scores, draws or shows similarities loops over MEASURES and names none of them.
Nothing here needs torch or numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from repdyn.errors import SettingError


@dataclass(frozen=True)
class MeasureSpec:
    """A measure of the similarity of a layer with itself at another checkpoint; 1 is equal.

    Attributes:
        name: in settings, files and metrics.
        label: in tables and columns.
        long_label: where there is space.
        quantity: what a cell of a matrix is, on the screen.
        title: what figures show.
        unit: what a colour bar shows, on one or two lines.
        symbol: of a value, in the formula of a log scale.
        bounds: of its values.
        limits: of its colours unless asked otherwise, the same for all runs so that pictures compare.
        log_distance: whether values lie so near 1 that only log(1 - value) tells them apart; if so,
            that is what is coloured and drawn.
        includes_output: whether the network's output is measured as well as its layers.
        of_paper: whether the paper's findings are judged on it.
        error_over: what its standard error is over, a word in the plural; empty if it has none.
        citation: where it comes from.
        engine: the class that computes it, a subclass from engine.py, as `module:name`.
        folder: of the artifacts that keep the summaries of each checkpoint, one file each; none if
            they are stored anyway.
        dtypes: of the summaries; stored ones may have any of them.
    """

    name: str
    label: str
    long_label: str
    quantity: str
    title: str
    unit: str
    symbol: str
    bounds: tuple[float, float]
    limits: tuple[float, float]
    log_distance: bool
    includes_output: bool
    of_paper: bool
    citation: str
    engine: str
    folder: str = ""
    dtypes: tuple[str, ...] = ()
    error_over: str = ""

    @property
    def error_name(self) -> str:
        """What its standard errors are called in files and keys."""
        return f"{self.name}_error"

    @property
    def distance(self) -> str:
        """What is drawn over epochs: the quantity, or 1 minus it."""
        return f"1 − {self.quantity}" if self.log_distance else self.quantity


LOG_LIMITS = (0.0, 0.9999)
"""From unrelated to what half-precision rows still resolve: the first layers of the recorded runs lie
from .99 to .9999, the last ones fall to .1, and each decade of the distance from 1 has a quarter."""

SHARES = (0.0, 1.0)

CKA = MeasureSpec(
    name="cka",
    label="CKA",
    long_label="CKA",
    quantity="CKA",
    title="CKA",
    unit="CKA",
    symbol="CKA",
    bounds=(-1, 1),
    limits=LOG_LIMITS,
    log_distance=True,
    includes_output=False,
    of_paper=True,
    citation="Kornblith et al. 2019; Nguyen, Raghu & Kornblith 2021",
    engine="repdyn.measures.growing:CkaEngine",
    folder="grams",
    dtypes=("float32", "int16", "float16"),
    error_over="reference images",
)
REGIONS = MeasureSpec(
    name="regions",
    label="regions",
    long_label="decision regions",
    quantity="region agreement",
    title="Agreement of decision regions",
    unit="share of plane points\nwith the same class",
    symbol="share",
    bounds=(0, 1),
    limits=SHARES,
    log_distance=False,
    includes_output=True,
    of_paper=True,
    citation="Somepalli et al. 2022",
    engine="repdyn.measures.regions:RegionsEngine",
    error_over="planes",
)
KNN = MeasureSpec(
    name="knn",
    label="k-NN",
    long_label="nearest neighbours",
    quantity="k-NN overlap",
    title="Overlap of nearest neighbours",
    unit="share of nearest neighbours\nin common",
    symbol="share",
    bounds=(0, 1),
    limits=SHARES,
    log_distance=False,
    includes_output=False,
    of_paper=False,
    citation="Huh et al. 2024",
    engine="repdyn.measures.knn:KnnEngine",
    folder="neighbours",
    dtypes=("uint32",),
)

PROCRUSTES = MeasureSpec(
    name="procrustes",
    label="Procrustes",
    long_label="Procrustes",
    quantity="Procrustes",
    title="Procrustes similarity",
    unit="cosine of the shape distance",
    symbol="cos",
    bounds=(0, 1),
    limits=LOG_LIMITS,
    log_distance=True,
    includes_output=False,
    of_paper=False,
    citation="Williams et al. 2021",
    engine="repdyn.measures.procrustes:ProcrustesEngine",
    folder="procrustes",
    dtypes=("float32", "int16"),
)
RSA = MeasureSpec(
    name="rsa",
    label="RSA",
    long_label="RSA",
    quantity="RSA",
    title="RSA: rank correlation of dissimilarities",
    unit="rank correlation",
    symbol="ρ",
    bounds=(-1, 1),
    limits=LOG_LIMITS,
    log_distance=True,
    includes_output=False,
    of_paper=False,
    citation="Kriegeskorte et al. 2008",
    engine="repdyn.measures.rsa:RsaEngine",
    folder="dissimilarities",
    dtypes=("float32", "int16"),
)

MEASURES: Mapping[str, MeasureSpec] = {
    one.name: one for one in (CKA, REGIONS, KNN, PROCRUSTES, RSA)
}
"""By name, in the order in which they are shown; the first is what is shown first."""

PRIMARY = CKA
"""Shown first; change points are changes in it."""

ALL = "all"
"""Stands for every registered measure in settings."""


def named(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the measures that a setting names.

    Raises:
        SettingError: there is none, one does not exist, or ALL is not alone.
    """
    if not names:
        known = ", ".join((*MEASURES, ALL))
        raise SettingError("similarity", None, f"give at least one of {known}")
    if names == (ALL,):
        return tuple(MEASURES)
    if ALL in names:
        raise SettingError(
            "similarity", ",".join(names), f"{ALL} includes the others; give {ALL} or the others"
        )
    return tuple(spec(name).name for name in names)


def spec(name: str) -> MeasureSpec:
    """Return a measure by its name.

    Raises:
        SettingError: there is none of that name.
    """
    if name not in MEASURES:
        known = ", ".join((*MEASURES, ALL))
        raise SettingError("similarity", name, f"unknown similarity measure; choose from {known}")
    return MEASURES[name]
