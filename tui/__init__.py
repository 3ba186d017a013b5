"""The terminal screen of repdyn."""
