"""What one instance consists of, as configuration for supervisord.

A lower priority starts earlier and stops later, so on the way out requests end before tasks, tasks before the broker,
and the database last.
"""

import os
import shlex
import sys

from omixa_billing.embedded.home import (
    REPOSITORY,
    log_directory,
    run_directory,
    runs_embedded_redis,
    uses_embedded_postgres,
)
from omixa_billing.front.socket import pages_socket

from .address import bound_address

ONE_SHOT = ("prepare", "announce")  # they say something on the terminal and end
AFTER_PREPARE = ("worker", "gateways", "beat", "pages", "web", "announce")


def supervisor_configuration() -> str:
    sections = [supervisord()]
    if uses_embedded_postgres():
        sections.append(service("postgres", 1, python("omixa_billing.embedded.postgres"), seconds_to_stop=120))
    if runs_embedded_redis():
        sections.append(service("redis", 2, python("omixa_billing.embedded.redis")))
    sections += [
        one_shot("prepare", 10, autostart=True),
        service("worker", 20, bound(*celery_worker()), autostart=False, seconds_to_stop=30),
        service("gateways", 20, bound(*python("omixa_billing.supervision.gateways")), autostart=False, seconds_to_stop=20),
        service("beat", 21, bound(*celery_beat()), autostart=False),
        service("pages", 22, python("omixa_billing.front.socket", *pages()), autostart=False, seconds_to_stop=20),
        service("web", 23, bound(*web()), autostart=False, seconds_to_stop=20),
        one_shot("announce", 24, autostart=False),
    ]
    return "\n".join(sections)


def web() -> list[str]:
    """Owns HOST:PORT, waits for clients, and answers gateways."""
    host, port = bound_address()
    return [
        *granian("omixa_billing.supervision.web:application", "asgi", setting("WEB_WORKERS", 2)),
        *("--host", host, "--port", str(port), "--no-ws"),
        # Open connections, of which many may only wait.
        *("--backlog", "2048", "--backpressure", "8192"),
        *("--http1-header-read-timeout", str(round(float(setting("HEAD_SECONDS", 30)) * 1000))),
    ]


def pages() -> list[str]:
    """People's pages, the API and reports: apart, so that neither they nor gateways can starve the other."""
    threads = setting("PAGE_THREADS", 12)
    return [
        *granian("omixa_billing.supervision.pages:application", "wsgi", setting("PAGE_WORKERS", 2)),
        *("--uds", str(pages_socket()), "--uds-permissions", "0o600", "--http", "1"),
        # Each thread may hold one database connection; what no thread is free for waits in the socket, where any process may
        # take it.
        *("--blocking-threads", threads, "--backpressure", threads, "--backlog", "2048"),
    ]


def granian(application: str, interface: str, workers: str) -> list[str]:
    return [
        *python("granian", application, "--interface", interface, "--workers", workers),
        *("--workers-kill-timeout", "10", "--respawn-failed-workers", "--respawn-interval", "0.5"),
    ]


def celery_worker() -> list[str]:
    return [
        *python("celery", "--app", "omixa_billing.supervision.worker", "worker", "--loglevel", "INFO"),
        *("--concurrency", setting("WORKER_CONCURRENCY", os.cpu_count() or 2)),
        *("-O", "fair", "--without-gossip", "--without-mingle"),
    ]


def celery_beat() -> list[str]:
    return [
        *python("celery", "--app", "omixa_billing.supervision.beat", "beat", "--loglevel", "INFO", "--pidfile="),
        *("--scheduler", "django_celery_beat.schedulers:DatabaseScheduler"),
    ]


def python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def bound(*command: str) -> list[str]:
    """The command, ending with the supervisor even when that is SIGKILLed."""
    return python("omixa_billing.embedded.deathsig", *command)


def setting(name: str, default: float) -> str:
    return os.environ.get(name) or str(default)


def supervisord(name: str = "supervisord") -> str:
    return section(
        "supervisord",
        nodaemon="true",
        silent="true",
        nocleanup="true",
        logfile=str(log_directory() / f"{name}.log"),
        logfile_maxbytes="10MB",
        logfile_backups="3",
        pidfile=str(run_directory() / f"{name}.pid"),
    )


def service(name: str, priority: int, command: list[str], autostart: bool = True, seconds_to_stop: int = 10) -> str:
    """Restarted for ever. Services.on_change keeps the pauses between attempts short."""
    return section(
        f"program:{name}",
        command=shlex.join(command),
        directory=str(REPOSITORY),
        environment=f'PGAPPNAME="{name}"',  # tells in pg_stat_activity whose connection it is
        priority=str(priority),
        autostart=str(autostart).lower(),
        autorestart="true",
        startsecs="1",
        startretries="1000000000",
        stopwaitsecs=str(seconds_to_stop),
        killasgroup="true",
        redirect_stderr="true",
        stdout_logfile=str(log_directory() / f"{name}.log"),
        stdout_logfile_maxbytes="10MB",
        stdout_logfile_backups="5",
    )


def one_shot(name: str, priority: int, autostart: bool, package: str = "omixa_billing.supervision") -> str:
    """Run once. What it says goes to the terminal only, since it may be a secret; its errors go to its log."""
    return section(
        f"program:{name}",
        command=shlex.join(bound(*python(f"{package}.{name}"))),
        directory=str(REPOSITORY),
        priority=str(priority),
        autostart=str(autostart).lower(),
        autorestart="false",
        startsecs="0",
        killasgroup="true",
        stdout_logfile="NONE",
        stdout_events_enabled="true",
        stderr_logfile=str(log_directory() / f"{name}.log"),
        stderr_logfile_maxbytes="10MB",
    )


def section(name: str, **settings: str) -> str:
    """One part of the file; % would be read as the start of a placeholder."""
    lines = [f"{key}={value.replace('%', '%%')}" for key, value in settings.items()]
    return "\n".join([f"[{name}]", *lines, ""])
