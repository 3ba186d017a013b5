"""Analysis of the E×E matrices and the curves; numpy only."""
