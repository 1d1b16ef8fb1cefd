"""What goes wrong inside a LiteLLM that runs: one of the plug-in's threads ends, or its disk takes nothing more."""

import os
import resource
import signal
import time
from pathlib import Path

from world import World, until

LITELLM = "run_server"  # in its command line
SECONDS_FULL = 4.0
# Python runs this first in every process that finds it on its path: threads can only be ended from within.
ENDS_THREADS = f"""
import ctypes, signal, sys, threading

def end_thread(number, frame):
    name = "omixa-spool-writer" if number == signal.SIGUSR1 else "omixa-spool-sender"
    for thread in threading.enumerate():
        if thread.name == name:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit))

if any({LITELLM!r} in word for word in sys.orig_argv):
    signal.signal(signal.SIGUSR1, end_thread)
    signal.signal(signal.SIGUSR2, end_thread)
"""


def let_threads_be_ended(folder: Path) -> dict[str, str]:
    """What the environment of a LiteLLM has to hold for that."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(ENDS_THREADS)
    return {"PYTHONPATH": str(folder)}


def end_thread(world: World, number: signal.Signals) -> None:
    """The writer's by SIGUSR1, the sender's by SIGUSR2. The process stays, and answers nothing that it could not record."""
    for pid in world.processes_with(LITELLM):
        os.kill(pid, number)
    until(lambda: "ended; only a new process has them again" in world.tail("gateway")(), 60, world.tail("gateway"))


def fill_disk(world: World) -> None:
    """For a while every file that LiteLLM's process writes is as large as it may be."""
    for pid in world.processes_with(LITELLM):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    time.sleep(SECONDS_FULL)
    for pid in world.processes_with(LITELLM):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
