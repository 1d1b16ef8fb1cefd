"""The token by which the product knows the local gateway: made once in a home, kept where only its owner reads."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request

from omixa_billing.embedded.home import REPOSITORY

from ..address import url
from . import place

NAME = "make gateway"


def token_of_this_gateway() -> str:
    """The one that is kept, if the product still knows it; else that of a new gateway."""
    path = place.folder() / "token"
    if path.is_file() and (token := path.read_text().strip()) and _is_known(token):
        return token
    token = str(json.loads(manage("create_gateway", NAME))["token"])
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(token)
    return token


def manage(*arguments: str) -> str:
    """What a command prints. Its refusal ends this program, with the same sentence."""
    command = [sys.executable, str(REPOSITORY / "manage.py"), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)  # noqa: S603  (our own commands)
    if done.returncode:
        sys.exit(f"manage.py {arguments[0]} failed.")
    return done.stdout


def _is_known(token: str) -> bool:
    """By asking for a batch that nobody sent."""
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{url()}/gateway/v1/batches/bat_none", headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        return error.code != 401
