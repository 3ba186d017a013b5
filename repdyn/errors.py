"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake the user can see and mend.

    The message is one line: what was wrong and what to do. The command line prints it without a
    traceback and exits with code 2.
    """
