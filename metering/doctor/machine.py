"""The machine and the settings: what can be examined without any server."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from metering.doctor.findings import ERROR, INFO, WARNING, Finding
from omixa_billing.embedded import home
from omixa_billing.embedded.account import existing_account
from omixa_billing.embedded.closing import is_passage
from omixa_billing.environment import DEVELOPMENT, is_loopback

MIB = 1024 * 1024
LEAST_FREE = 256 * MIB  # less, and PostgreSQL may not write its next segments
LOW_FREE = 2048 * MIB
MOST_NAMED = 5


def settings_found() -> Iterator[Finding]:
    """What starts, but is not what an operator wants in production."""
    if not settings.PRODUCTION:
        fix = "Set OMIXA_ENV=production before strangers reach it."
        yield Finding("settings", INFO, f"OMIXA_ENV is {DEVELOPMENT}: unsafe settings are not refused.", fix)
        return
    host = urlsplit(settings.PUBLIC_URL).hostname or ""
    if not validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        fix = f"Add {host} to ALLOWED_HOSTS."
        yield Finding("settings", ERROR, f"ALLOWED_HOSTS lacks {host}, the host of PUBLIC_URL: every page answers 400.", fix)
    if is_loopback(host):
        fix = "Set PUBLIC_URL to the https:// address at which people reach the product."
        yield Finding(
            "settings", WARNING, f"PUBLIC_URL is {settings.PUBLIC_URL}: links in mails work on this machine only.", fix
        )
    if not settings.OPERATOR_EMAILS:
        fix = "Set OPERATOR_EMAILS."
        yield Finding("settings", WARNING, "No operator hears of failed jobs, differences and disputed payments.", fix)


def disk_found() -> Iterator[Finding]:
    free = shutil.disk_usage(home.home_folder()).free
    if free < LOW_FREE:
        severity = ERROR if free < LEAST_FREE else WARNING
        message = f"{free // MIB:,} MiB are free on the disk of {home.home_folder()}."
        yield Finding("disk", severity, message, "Free space there, or move OMIXA_HOME to a larger disk.")


def permissions_found() -> Iterator[Finding]:
    """What other accounts of this machine may read or write under the home."""
    try:
        reachable = sorted(_open_to_others(home.home_folder()))
    except OSError as error:
        message = f"{error.filename} cannot be read: {error.strerror}."
        yield Finding("permissions", ERROR, message, "Run this, and the product, as the account that owns OMIXA_HOME.")
        return
    if reachable:
        more = f" and {len(reachable) - MOST_NAMED} more" if len(reachable) > MOST_NAMED else ""
        message = f"Other accounts can read or write {', '.join(map(str, reachable[:MOST_NAMED]))}{more}."
        yield Finding("permissions", WARNING, message, "Start the product again, which closes them.")


def _open_to_others(folder: Path) -> Iterator[Path]:
    """Files and folders that another account may read or write, and that no closed folder keeps from it."""
    found = folder.lstat()
    if found.st_mode & 0o066:
        yield folder
    if not found.st_mode & 0o011 or is_passage(found, existing_account(home.home_folder() / "postgres")):
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _open_to_others(Path(entry.path))
            elif entry.stat(follow_symlinks=False).st_mode & 0o066:
                yield Path(entry.path)
