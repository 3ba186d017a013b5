"""The colours of classes, in figures and on the screen; told apart by colour-blind readers too."""

CLASS_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Ten colours that stay apart under colour-vision deficiencies (Petroff 2021, arXiv:2107.02270)."""

SHARED_GREYS = ("#d6d6d6", "#f5f5f5", "#e6e6e6", "#dedede", "#ededed")
"""Pale greys that all classes beyond ten share, so that at least their borders are seen."""
