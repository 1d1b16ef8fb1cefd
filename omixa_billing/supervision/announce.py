"""Wait until gateways and people are answered, then print where everything is."""

import time
import urllib.request

from omixa_billing.embedded.home import read_env_file
from omixa_billing.http.addresses import CONSOLE

from .address import url
from .local_gateway.place import running_gateway

SECONDS = 30
SECONDS_MORE = 3600  # a busy machine may take its time, and its people still want to know where everything is
BOTH_HALVES = ("/healthz", "/accounts/login/")  # the web processes answer the first, the page processes the second
PAGES = {
    "Customer pages": "/",
    "Operator console": CONSOLE,
    "API and its documentation": "/api/v1/docs/",
    "Gateway sends events to": "/gateway/v1/events",
}


def main() -> None:
    read_env_file()
    if not answers_within(SECONDS):
        print(
            f"The product does not answer yet at {url()}, after {SECONDS} seconds. See web.log and pages.log.",
            flush=True,
        )
        if not answers_within(SECONDS_MORE):
            return
    width = max(map(len, PAGES))
    lines = [f"  {title:<{width}}  {url()}{path}" for title, path in PAGES.items()]
    lines.append(f"  {'A gateway to try it with':<{width}}  {running_gateway() or '`make gateway` in a second terminal'}")
    print("\n".join(["Omixa billing runs:", *lines, "Ctrl-C stops it; the next start finds all data again."]), flush=True)


def answers_within(seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            for path in BOTH_HALVES:
                urllib.request.urlopen(url() + path, timeout=30).close()  # noqa: S310
        except OSError:  # not there yet, or there and in trouble
            time.sleep(0.05)
        else:
            return True
    return False


if __name__ == "__main__":
    main()
