"""`make bench`: each result is one JSON line on standard output; everything else is said on standard error."""

import argparse
import json
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from tests.benchmarks import (
    alerts,
    authorize,
    behind_litellm,
    closing,
    crash_points,
    hostile,
    ingest_end_to_end,
    long_history,
    steady_load,
    ten_million,
    usage_query,
    where_time_goes,
)
from tests.benchmarks.options import Options, say

# What each yields is a line. One with a `ratio` below its `least_ratio` has missed its limit.
BENCHMARKS: dict[str, Callable[[Options], Iterator[dict[str, Any]]]] = {
    "ingest_end_to_end": ingest_end_to_end.measure,
    "steady_load": steady_load.measure,
    "authorize": authorize.measure,
    "gateway": behind_litellm.measure,
    "alerts": alerts.measure,
    "hostile": hostile.measure,
    "usage_query": usage_query.measure,
    "where_time_goes": where_time_goes.measure,
    "closing": closing.measure,
    "long_history": long_history.measure,
    "crash_points": crash_points.measure,
    "ten_million": ten_million.measure,
}
# Take many minutes, or need what `make gateway` installs, and so run only when asked for by name.
LONG = ("ten_million", "gateway")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=f"any of {', '.join(BENCHMARKS)}")
    parser.add_argument("--runs", type=int, default=Options.runs, help="the median of so many is reported")
    parser.add_argument(
        "--scale", type=float, default=Options.scale, help="share of the usual number of events, for trying it out"
    )
    parser.add_argument("--disorder", action="store_true", help="times at random within the day, as no gateway sends them")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and clean up, as by Ctrl-C
    options = Options(arguments.runs, arguments.scale, arguments.disorder)
    missed = 0
    for name in arguments.only or (name for name in BENCHMARKS if name not in LONG):
        for line in BENCHMARKS[name](options):
            print(json.dumps({"name": name} | line), flush=True)
            if line.get("ratio", 1) < line.get("least_ratio", 0):
                say(f"{name}: the ratio {line['ratio']} is below its limit of {line['least_ratio']}.")
                missed += 1
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
