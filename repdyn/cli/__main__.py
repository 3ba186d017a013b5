"""`python -m repdyn.cli`."""

from repdyn.cli.app import main

main()
