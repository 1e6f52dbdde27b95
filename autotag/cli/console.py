"""The console that commands print to."""

from rich.console import Console


def new_console(*, stderr: bool = False) -> Console:
    """Tells names as they are: a file called `a:x:b.jpg` has no cross in it, and its path is there to be copied."""
    return Console(stderr=stderr, emoji=False)
