"""The key of a score."""

from typing import NamedTuple


class ScoreKey(NamedTuple):
    """A score and the similarity measure it is computed from."""

    score: str
    measure: str

    @property
    def name(self) -> str:
        """Its name in metrics and exported tables, such as `fit_break_cka`; never parsed."""
        return f"{self.score}_{self.measure}"
