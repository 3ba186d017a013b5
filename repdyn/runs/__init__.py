"""What happens to a run, without a console or a command line: train, resume, measure, compare."""
