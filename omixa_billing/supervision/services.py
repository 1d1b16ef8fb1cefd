"""supervisord, inside our own process: it restarts what dies, and this tells the terminal about it."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.options import ServerOptions
from supervisor.states import ProcessStates, SupervisorStates
from supervisor.supervisord import Supervisor

from .programs import AFTER_PREPARE, ONE_SHOT

LOOK_EVERY = 0.1  # seconds
LONGEST_PAUSE = 5  # seconds between two attempts to start what keeps failing


class Services(Supervisor):
    """Starts the application once `prepare` has succeeded, and ends everything when it has not."""

    exit_code = 0

    @classmethod
    def run_until_stopped(cls, configuration: str) -> int:
        hangup_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        options = ServerOptions()
        options.realize(["-n", "-c", configuration])
        options.first, options.test = True, False
        services = cls(options)
        services.hangup_ignored = hangup_ignored
        try:
            services.main()
        except asyncore.ExitNow:
            say("Stopped.")
        return services.exit_code

    def runforever(self) -> None:
        # supervisord would take SIGHUP as "restart": a closed terminal means stop, and `nohup` means neither.
        signal.signal(signal.SIGHUP, signal.SIG_IGN if self.hangup_ignored else self._hangup)
        self.make = interruptible_parent()
        events.subscribe(events.ProcessLogStdoutEvent, lambda event: say(event.data, end=""))
        events.subscribe(events.ProcessStateEvent, self.on_change)
        events.subscribe(events.SupervisorStoppingEvent, lambda _event: say("Stopping ..."))
        # supervisord looks after its children once a second, and before the first time it waits: look sooner.
        poll = self.options.poller.poll
        self.options.poller.poll = lambda seconds: poll(min(seconds, LOOK_EVERY))
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()

    def tick(self, now: float | None = None) -> None:
        super().tick(now)
        if self.make and not catches_interrupt(self.make):
            self.stop()

    def stop(self) -> None:
        self.options.mood = SupervisorStates.SHUTDOWN

    def on_change(self, event: Any) -> None:
        """A program's state changed."""
        if self.stopping or self.options.mood < SupervisorStates.RUNNING:
            return
        process, name = event.process, event.process.config.name
        if isinstance(event, events.ProcessStateBackoffEvent):
            process.backoff = min(process.backoff, LONGEST_PAUSE)
            process.delay = min(process.delay, process.laststart + LONGEST_PAUSE + process.backoff)
            say(f"{name} does not stay up; trying again. See {process.config.stdout_logfile}")
        elif not isinstance(event, events.ProcessStateExitedEvent):
            return
        elif name not in ONE_SHOT:
            how = "was killed" if process.exitstatus < 0 else f"ended with status {process.exitstatus}"
            say(f"{name} {how}; starting it again. See {process.config.stdout_logfile}")
        elif name == "prepare" and process.exitstatus == 0:
            self.start(AFTER_PREPARE)
        elif name == "prepare":
            say(f"Preparing the database failed, so nothing else was started. See {process.config.stderr_logfile}")
            self.exit_code = 1
            self.stop()

    def start(self, names: tuple[str, ...]) -> None:
        for name in names:
            process = self.process_groups[name].processes[name]
            if process.state == ProcessStates.STOPPED:
                process.spawn()

    def _hangup(self, _signal: int, _frame: FrameType | None) -> None:
        self.stop()


def say(text: str | bytes, end: str = "\n") -> None:
    """On the terminal, if it is still there."""
    with suppress(OSError):
        print(text.decode(errors="replace") if isinstance(text, bytes) else text, end=end, flush=True)


def interruptible_parent() -> int | None:
    """The id of the make that called us, if a Ctrl-C would reach it."""
    parent = os.getppid()
    return parent if "MAKELEVEL" in os.environ and catches_interrupt(parent) else None


def catches_interrupt(pid: int) -> bool:
    """Whether the process has a handler for SIGINT.

    make drops its own when interrupted, then waits for us. From a terminal we get the signal as well; when a person
    sent it to make alone, this is how we learn.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) & (1 << (signal.SIGINT - 1)))
