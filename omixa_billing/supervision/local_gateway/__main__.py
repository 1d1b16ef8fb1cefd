"""Run it: `python -m omixa_billing.supervision.local_gateway`, which is what `make gateway` calls."""

import os
import secrets
import signal
import socket
import sys

from omixa_billing.embedded import closing, locks
from omixa_billing.embedded.deathsig import die_with_parent
from omixa_billing.embedded.home import log_directory, read_env_file, run_directory

from ..address import gateway_address, gateway_url, refuse_used_port, url
from ..announce import answers_within
from ..services import Services
from . import place
from .configuration import ECHO_PORT, supervisor_configuration, write_litellm_configuration
from .token import token_of_this_gateway

SECONDS_FOR_THE_PRODUCT = 60


def main() -> int:
    if "MAKELEVEL" in os.environ:
        die_with_parent(signal.SIGTERM)
    os.umask(closing.UMASK)
    read_env_file()
    if not answers_within(SECONDS_FOR_THE_PRODUCT):
        sys.exit(f"No Omixa billing answers at {url()}. Start it with `make run`, and this in a second terminal.")
    lock = locks.open_lock(place.lock_file())
    if not locks.try_exclusive(lock):
        sys.exit(f"A gateway runs in this home already, at {place.address_file().read_text()}.")
    refuse_used_port("GATEWAY_PORT", *gateway_address(), "gateway")
    os.environ |= surroundings()
    write_litellm_configuration()
    path = run_directory() / "gateway.conf"
    path.write_text(supervisor_configuration())
    place.address_file().write_text(gateway_url())
    print(f"The gateway starts; LiteLLM takes half a minute. Logs: {log_directory()}", flush=True)
    try:
        return Services.run_until_stopped(str(path))
    finally:
        os.close(lock)


def surroundings() -> dict[str, str]:
    """What LiteLLM and the plug-in read. No page of LiteLLM's is reachable, and its master key is nobody's."""
    return {
        "OMIXA_SUPERVISOR": str(os.getpid()),
        "OMIXA_URL": url(),
        "OMIXA_GATEWAY_TOKEN": token_of_this_gateway(),
        "OMIXA_SPOOL": str(place.folder() / "spool"),
        "LITELLM_MASTER_KEY": f"sk-{secrets.token_hex(32)}",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or it asks GitHub at each start
        "LITELLM_TELEMETRY": "False",
        "DISABLE_ADMIN_UI": "True",
        "NO_DOCS": "True",
        "PYTHONUNBUFFERED": "1",
        ECHO_PORT: str(free_port()),
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
