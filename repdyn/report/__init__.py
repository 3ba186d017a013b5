"""Figures, text and comparisons of recorded runs."""
