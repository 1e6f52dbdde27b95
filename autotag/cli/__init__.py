"""One Typer command a file."""
