"""What is read off the E×E matrices and the curves; numpy only."""
