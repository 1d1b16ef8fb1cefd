"""`make chaos`: the long story, once per call; its figures are one JSON line on standard output."""

import argparse
import json
import signal
import sys
import time
from contextlib import ExitStack

from tests.chaos.brokers import EmbeddedRedis, private_rabbitmq
from tests.chaos.instance import running_instance
from tests.chaos.stage import Stage
from tests.chaos.story import Plan, play
from tests.chaos.world import make_world

EVENTS, BLOWS = 200_000, 130  # of which a few only freeze, flush or repeat: more than 100 kill


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--broker", choices=("redis", "rabbitmq"), default="redis")
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--blows", type=int, default=BLOWS)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of the traffic and the blows; by default another one each time"
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and clean up, as by Ctrl-C
    with ExitStack() as stack:
        broker = EmbeddedRedis() if arguments.broker == "redis" else stack.enter_context(private_rabbitmq())
        instance = stack.enter_context(running_instance(**broker.environment))
        stage = Stage(instance, make_world(instance, arguments.seed), broker)
        figures = play(stage, Plan(arguments.events, arguments.blows))
    print(json.dumps({"name": "chaos", **figures}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
