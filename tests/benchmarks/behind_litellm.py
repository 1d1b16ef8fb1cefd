"""What the plug-in adds to a chat through LiteLLM: the same request in turn through a proxy without it and through two with it.

`cached` asks nothing of the product, as its key is known; `held` asks for each request. The echo answers at once, so nearly all
of a request's time is LiteLLM's own.
"""

import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.benchmarks.options import Options, medians, percentiles, say
from tests.first_run import REPOSITORY

REQUESTS = 600  # through each
WARM_UP = 50
KINDS = {"bare": None, "cached": {"OMIXA_HOLD": "prepaid"}, "held": {"OMIXA_HOLD": "always"}}


class Asking:
    """One connection to one proxy, kept open."""

    def __init__(self, port: int, key: str) -> None:
        body = {"model": "echo-plain", "messages": [{"role": "user", "content": "one two three"}], "max_tokens": 20}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._body = json.dumps(body).encode()
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def seconds(self) -> float:
        began = time.perf_counter()
        self._connection.request("POST", "/v1/chat/completions", self._body, self._headers)
        response = self._connection.getresponse()
        content = response.read()
        taken = time.perf_counter() - began
        if response.status != 200:
            sys.exit(f"LiteLLM answered {response.status}: {content[:500].decode(errors='replace')}")
        return taken


def measure(options: Options) -> Iterator[dict[str, Any]]:
    sys.path.insert(0, str(REPOSITORY / "integrations" / "litellm" / "gateway_tests"))
    from installed import Installed
    from world import World

    folder = Path(tempfile.mkdtemp(prefix="omixa-bench-"))
    world = World(folder)
    with ExitStack() as stack:
        stack.callback(world.stop)
        say("Starting the product, and LiteLLM three times.")
        world.start_product()
        world.manage("set_price", "echo-plain", "--input=3", "--output=7")
        workspace = world.make_workspace("Bench")
        asking = {}
        for kind, environment in KINDS.items():
            (folder / kind).mkdir()
            proxy = stack.enter_context(Installed(world, folder / kind, {}, environment, plugged=environment is not None))
            asking[kind] = Asking(proxy.port, proxy.master_key if environment is None else workspace.live_key)
        _run(asking, WARM_UP)
        before = os.getloadavg()[0]
        runs = [_run(asking, options.scaled(REQUESTS)) for _ in range(options.runs)]
        yield medians(runs) | {"requests": options.scaled(REQUESTS), "load_before": round(before, 2)}


def _run(asking: dict[str, Asking], requests: int) -> dict[str, Any]:
    taken: dict[str, list[float]] = {kind: [] for kind in asking}
    for _ in range(requests):
        for kind, each in asking.items():
            taken[kind].append(each.seconds())
    found = {kind: percentiles("chat", seconds, 50, 99) for kind, seconds in taken.items()}
    adds = {
        kind: {name.replace("chat", "adds"): found[kind][name] - found["bare"][name] for name in found[kind]}
        for kind in found
        if kind != "bare"
    }
    return {kind: found[kind] | adds.get(kind, {}) for kind in found}
