"""`make bench`: each result is one JSON line on standard output; everything else is said on standard error."""

import argparse
import json
import signal
import sys

from tests.benchmarks import ingest_end_to_end


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=ingest_end_to_end.RUNS, help="the median of so many is reported")
    parser.add_argument("--events", type=int, default=ingest_end_to_end.EVENTS, help="in each run")
    parser.add_argument("--disorder", action="store_true", help="times at random within the day, as no gateway sends them")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and clean up, as by Ctrl-C
    result = ingest_end_to_end.measure(arguments.runs, arguments.events, in_order=not arguments.disorder)
    print(json.dumps(result), flush=True)
    if result["ratio"] < ingest_end_to_end.LEAST_RATIO:
        print(f"The ratio is below its limit of {ingest_end_to_end.LEAST_RATIO}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
