"""`python -m autotag.cli` is `autotag`, for processes that start it with their own interpreter."""

from autotag.cli.main import run

if __name__ == "__main__":
    run()
