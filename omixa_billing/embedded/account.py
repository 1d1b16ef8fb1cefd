"""PostgreSQL refuses to run as root: then it runs as a system account, without opening any folder to that account.

Parent folders closed to it (a home under /root) are passed with one capability instead of a chmod:
`dac_read_search`, which reads and enters but never writes. See docs/decisions/0001-embedded-services.md.
"""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ACCOUNTS = ("postgres", "omixa")
CAPABILITIES = {"dac_override": 1, "dac_read_search": 2}


class NoAccount(Exception):
    """Root has no other account to run PostgreSQL as. The message says what to do."""


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def command(self, command: list[str], reaches: Iterable[Path], death_signal: str | None = None) -> list[str]:
        """The command as run by root to become this account, able to enter the parents of the paths in `reaches`."""
        prefix = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups", "--no-new-privs"]
        if capability := self._capability_for(reaches):
            # access(2), with which PostgreSQL checks its own binaries, heeds capabilities only under no_setuid_fixup.
            prefix += [f"--inh-caps=-all,+{capability}", f"--ambient-caps=-all,+{capability}"]
            prefix += ["--securebits=+no_setuid_fixup"]
        if death_signal:
            prefix += ["--pdeathsig", death_signal]  # setpriv sets it last: the kernel clears it when the user changes
        return [*prefix, *command]

    def _capability_for(self, reaches: Iterable[Path]) -> str | None:
        """The weakest capability that lets the account reach the paths; None when it needs none."""
        paths = list(reaches)
        if all(self._may_execute(step) for path in paths for step in [*path.parents, path]):
            return None
        wanted = ["dac_read_search", "dac_override"]
        if not all(path.is_dir() or self._may_execute(path) for path in paths):
            wanted = ["dac_override"]  # a file without the execute bit for others, as umask 077 leaves it
        for name in wanted:
            if _effective_capabilities() & (1 << CAPABILITIES[name]):
                return name
        raise NoAccount(
            f"The account with uid {self.uid}, which PostgreSQL would run as, cannot enter {paths[0]}. "
            "Set OMIXA_HOME to a folder it can enter, run as an ordinary user, or set DATABASE_URL."
        )

    def _may_execute(self, path: Path) -> bool:
        found = path.stat()
        if found.st_uid == self.uid:
            return bool(found.st_mode & stat.S_IXUSR)
        if found.st_gid == self.gid:
            return bool(found.st_mode & stat.S_IXGRP)
        return bool(found.st_mode & stat.S_IXOTH)


def existing_account(data: Path) -> Account | None:
    """The account that root gave the data to; None when there is no data, or it is our own."""
    try:
        owner = data.lstat()
    except FileNotFoundError:
        return None
    return Account(owner.st_uid, owner.st_gid) if os.geteuid() == 0 and owner.st_uid != 0 else None


def account_for(data: Path) -> Account | None:
    """Who the server runs as: None means as ourselves. Existing data keeps its owner. Raises NoAccount."""
    if os.geteuid() != 0:
        return None
    if account := existing_account(data):
        return account
    if not shutil.which("setpriv"):
        raise NoAccount("PostgreSQL does not run as root, and `setpriv` (util-linux) to become another user is missing.")
    return _find_account() or _create_account()


def _find_account() -> Account | None:
    for name in ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    return None


def _create_account() -> Account:
    command = ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", "omixa"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError) as error:
        # Another process may have been faster.
        if account := _find_account():
            return account
        reason = getattr(error, "stderr", None) or error
        raise NoAccount(
            "PostgreSQL does not run as root, and the system account `omixa` for it could not be made "
            f"({str(reason).strip()}). Run as an ordinary user, or set DATABASE_URL."
        ) from error
    entry = pwd.getpwnam("omixa")
    return Account(entry.pw_uid, entry.pw_gid)


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
