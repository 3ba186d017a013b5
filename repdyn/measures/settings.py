"""How a model is measured: the settings that the recorder reads.

Annotations are evaluated here, not kept as text: settings/schema.py inherits these fields, and the
command line reads their types there.
"""

import math
from dataclasses import dataclass
from typing import Literal

from repdyn.checks import check, check_count, check_storable
from repdyn.measures.spec import named

BatchNormStatistics = Literal["precise", "running"]
CkaEstimator = Literal["unbiased", "biased"]
Probe = Literal["logistic", "ridge"]
ProbeFeatures = Literal["pooled", "flat"]


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """How a model is measured at each checkpoint."""

    bn: BatchNormStatistics = "precise"
    """precise: recompute BatchNorm's statistics over training images, on a copy, before measuring."""

    similarity: tuple[str, ...] = ("cka", "regions")
    """Similarity measures, comma-separated: cka, regions, knn, procrustes, rsa; or all."""

    cka: CkaEstimator = "unbiased"
    """unbiased: HSIC1 over minibatches (Nguyen et al. 2021); biased (Kornblith et al. 2019)."""

    cka_batch: int = 250
    """Images per CKA minibatch."""

    neighbours: int = 10
    """Nearest neighbours per reference image, for the measure knn."""

    probe: Probe = "logistic"
    """logistic: L2-regularised multinomial logistic regression; ridge: closed form, faster."""

    probe_features: ProbeFeatures = "pooled"
    """pooled: spatial mean, or class token and mean of the other tokens; flat: all features."""

    probe_l2: float = 1e-3
    """Regularisation: l2/2 ‖W‖² is added to the mean cross-entropy."""

    grid: int = 12
    """Points per side of a plane's grid, for decision-region similarity (DRS)."""

    drs_grid: int | None = None
    """DRS as on a finer grid of so many points per side: `grid`'s points at the edges weigh less."""

    fine_grid: int = 32
    """Points per side of the finer grid."""

    def __post_init__(self) -> None:
        # HSIC1 divides by b (b - 3)
        check_count(self, "cka_batch", 4, 10**9)
        check_count(self, "neighbours", 1, 10_000)
        check(self, "probe_l2", lambda x: 0 < x < math.inf, "above 0")
        check_count(self, "grid", 2, 1024)
        check_count(self, "drs_grid", self.grid, 4096)
        check_count(self, "fine_grid", 2, 4096)
        object.__setattr__(self, "similarity", named(self.similarity))
        check_storable(self)
