"""How fast repdyn is compared with the alternatives: python -m benchmarks.NAME."""
