"""Recorded runs that ship with the package, so that there is something to look at right away."""
