"""What the local gateway consists of: LiteLLM, and an echo in place of providers where no key of theirs is set."""

import json
import os
from pathlib import Path

from omixa_billing.embedded.home import REPOSITORY

from ..address import gateway_address
from ..programs import bound, one_shot, service, supervisord
from . import place
from .token import manage

VENV = REPOSITORY / ".venv-gateway"
ECHO = REPOSITORY / "integrations" / "echo_provider.py"
PLUGIN = REPOSITORY / "integrations" / "litellm"
ECHO_PORT = "OMIXA_ECHO_PORT"  # chosen at each start, and the same for as long as the gateway runs


def supervisor_configuration() -> str:
    python = str(VENV / "bin" / "python")
    host, port = gateway_address()
    echo = [python, str(ECHO), "--port", os.environ[ECHO_PORT]]
    litellm = [*(python, "-c", RUN_LITELLM), "--config", str(_file()), "--host", host, "--port", str(port)]
    return "\n".join(
        [
            supervisord("gateway-supervisord"),
            service("echo", 1, bound(*echo)),
            service("gateway", 2, bound(*litellm), seconds_to_stop=20),
            one_shot("announce", 3, autostart=True, package=__package__),
        ]
    )


# The plug-in is used as it lies in the repository.
RUN_LITELLM = f"import sys; sys.path.insert(0, {str(PLUGIN)!r}); from litellm import run_server; sys.exit(run_server())"


def write_litellm_configuration() -> None:
    """LiteLLM reads YAML, and JSON is YAML."""
    echo = f"http://127.0.0.1:{os.environ[ECHO_PORT]}"
    have = [f"--have={name}" for name, value in os.environ.items() if value]
    catalogue = json.loads(manage("litellm_config", f"--echo={echo}", *have))
    _file().write_text(json.dumps(catalogue | SETTINGS, indent=2))


def _file() -> Path:
    return place.folder() / "litellm.yaml"


SETTINGS = {
    "general_settings": {"custom_auth": "omixa_litellm.auth"},
    "litellm_settings": {"callbacks": "omixa_litellm.callback", "global_disable_no_log_param": True, "drop_params": True},
    "router_settings": {"num_retries": 2},
}
