"""Wait until the gateway answers, then print how to use it."""

import time
import urllib.request

from ..address import gateway_url, url

SECONDS = 600


def main() -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        if _answers():
            lines = [
                f"The gateway answers at {gateway_url()}/api/v1, for clients of OpenAI and Anthropic with an omx_live_ key.",
                f"The examples of the model pages at {url()}/models/ lead there too. Ctrl-C stops it.",
            ]
            print("\n".join(lines), flush=True)
            return
        time.sleep(0.5)
    print("The gateway does not answer. See gateway.log.", flush=True)


def _answers() -> bool:
    try:
        with urllib.request.urlopen(f"{gateway_url()}/health/liveliness", timeout=5):  # noqa: S310
            return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
