"""`python -m repdyn`, as torchrun starts it: torchrun -m repdyn train ..."""

from repdyn.cli import main

main()
