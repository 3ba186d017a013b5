"""How fast repdyn is, beside the alternatives: python -m benchmarks.NAME."""
