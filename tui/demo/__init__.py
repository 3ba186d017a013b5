"""Recorded runs that come with the package, so that there is something to look at at once."""
