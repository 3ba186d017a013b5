"""What scores are keyed by."""

from typing import NamedTuple


class ScoreKey(NamedTuple):
    """A score and the similarity measure that it is taken on."""

    score: str
    measure: str

    @property
    def name(self) -> str:
        """What it is called in metrics and in exported tables, `fit_break_cka`; never taken apart."""
        return f"{self.score}_{self.measure}"
