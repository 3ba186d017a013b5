"""Which process writes a run, and whether it is still alive."""
