"""What the benchmarks have in common on the command line: `--json`, and one line for what went wrong."""

import argparse
import json
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

from autotag.errors import AutotagError
from benchmarks.watched_process import CommandFailedError

Main = Callable[[], int]
"""The command line of a benchmark; gives its exit status."""


def benchmark_arguments(text: str | None) -> argparse.ArgumentParser:
    """A parser that knows `--json`; `text` is the benchmark's docstring."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    return parser


def failures_told(*wrong: type[Exception]) -> Callable[[Main], Main]:
    """A `main` that answers 1, after one line that says why, where a step, a command or one of `wrong` fails in it."""

    def told(main: Main) -> Main:
        @wraps(main)
        def guarded() -> int:
            try:
                return main()
            except (AutotagError, CommandFailedError, *wrong) as error:
                sys.stderr.write(f"failed: {error}\n")
                return 1

        return guarded

    return told


def print_facts(args: argparse.Namespace, benchmark: str, facts: dict[str, Any]) -> None:
    """The last line of the output, where `--json` asks for it."""
    if args.json:
        sys.stdout.write(json.dumps({"benchmark": benchmark, **facts}) + "\n")
