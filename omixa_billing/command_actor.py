"""Who acts when a command does: the command, and the account of the operating system that runs it."""

import getpass
import os

COMMANDS = "command:"
_running: list[str] = []  # what this process was started as, if it is a command


def running_command(name: str) -> None:
    """Names the command that this process is."""
    _running.append(name)


def this_command() -> str:
    """The actor of this process, empty when it is no command."""
    return command_actor(_running[-1]) if _running else ""


def command_actor(name: str) -> str:
    """`command:NAME by ACCOUNT`."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in some containers
        account = f"uid {os.getuid()}"
    return f"{COMMANDS}{name} by {account}"
