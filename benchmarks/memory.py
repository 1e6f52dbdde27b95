"""Whether memory stays flat: peak of the source pass's process tree over few shards and over many of the same size.

    python -m benchmarks.memory --few 4 --many 20 --images-per-shard 50

Each pass has a process of its own. Ends with 1 when the counts do not close or the ratio is above `--max-ratio`.
"""

import statistics

from rich.console import Console
from rich.table import Table

from benchmarks.benchmark_run import failures_told, print_facts
from benchmarks.corpus import make_archive
from benchmarks.measured_pass import CountsDoNotCloseError, PassFigures, run_source_pass
from benchmarks.source_pass import arguments, pass_options


@failures_told(CountsDoNotCloseError)
def main() -> int:
    """Command line."""
    parser = arguments(__doc__)
    parser.add_argument("--few", type=int, default=4, help="shards")
    parser.add_argument("--many", type=int, default=20, help="shards")
    parser.add_argument("--images-per-shard", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--max-ratio", type=float, default=1.2)
    args = parser.parse_args()
    options = pass_options(args)
    passes: dict[int, list[PassFigures]] = {args.few: [], args.many: []}
    corpus = make_archive(args.dir, args.many * args.images_per_shard, args.many)
    for _ in range(args.repeat):
        for shards, found in passes.items():
            found.append(run_source_pass(corpus, list(corpus.shards[:shards]), options))
    peaks = {shards: statistics.median(p.peak_mib for p in found) for shards, found in passes.items()}
    ratio = peaks[args.many] / peaks[args.few]
    table = Table(
        "shards",
        "images",
        "peak MiB",
        title=f"source pass, engine {args.engine}, {args.cores} cores",
        box=None,
    )
    for shards, found in passes.items():
        table.add_row(str(shards), str(found[0].images), f"{peaks[shards]:.0f}")
    console = Console()
    console.print(table)
    console.print(f"ratio {ratio:.3f} (at most {args.max_ratio:g}); counts close", highlight=False)
    facts = {"engine": args.engine, "cores": args.cores, "ratio": round(ratio, 3)}
    print_facts(args, "memory", {**facts, "peak_mib": {str(n): round(p, 1) for n, p in peaks.items()}})
    return 0 if ratio <= args.max_ratio else 1


if __name__ == "__main__":
    raise SystemExit(main())
