"""The embedded PostgreSQL's configuration: fitted to the machine at every start, and never at the cost of durability.

`fsync`, `synchronous_commit` and `full_page_writes` stay on: an acknowledged event is on the disk. What an
operator sets with ALTER SYSTEM wins over this.
"""

import os
import subprocess
from pathlib import Path

MIB = 1024 * 1024
CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def postgres_configuration(binaries: Path, sockets: Path, title: str, data: Path) -> str:
    """The text of `omixa.conf`, which postgresql.conf includes."""
    memory = memory_mib()
    settings: dict[str, str] = {
        "listen_addresses": "",
        "unix_socket_directories": str(sockets),
        "unix_socket_permissions": "0700",
        "hba_file": str(data / "omixa_hba.conf"),
        "ident_file": str(data / "omixa_ident.conf"),
        "cluster_name": title,
        "max_connections": "100",
        "shared_buffers": f"{clamp(memory // 6, 64, 4096)}MB",
        "effective_cache_size": f"{clamp(memory // 2, 128, 64 * 1024)}MB",
        "maintenance_work_mem": f"{clamp(memory // 32, 64, 512)}MB",
        "work_mem": f"{clamp(memory // 512, 4, 32)}MB",
        "huge_pages": "try",
        "checkpoint_timeout": "15min",
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "random_page_cost": "1.1",
        "jit": "off",
        "track_io_timing": "on",
        "log_min_duration_statement": "1s",
        "log_line_prefix": "%m [%p] %a ",
        "log_timezone": "UTC",
        "timezone": "UTC",
        **compression(binaries),
    }
    lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in settings.items()]
    return "\n".join(["# Written at every start. Change settings with ALTER SYSTEM, which wins over this.", *lines, ""])


def compression(binaries: Path) -> dict[str, str]:
    """lz4 or zstd where the build has them. Without them the WAL stays plain: pglz costs more than it saves."""
    asked = [str(binaries / "pg_config"), "--configure"]
    built_with = subprocess.run(asked, capture_output=True, text=True, check=True).stdout  # noqa: S603
    settings = {}
    if "--with-lz4" in built_with:
        settings = {"wal_compression": "lz4", "default_toast_compression": "lz4"}
    elif "--with-zstd" in built_with:
        settings = {"wal_compression": "zstd"}
    return settings


def memory_mib() -> int:
    """What this machine, or the container around us, has."""
    amounts = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CGROUP_LIMITS:
        try:
            amounts.append(int(path.read_text()))
        except (OSError, ValueError):  # no such controller, or "max"
            continue
    return min(amounts) // MIB


def clamp(value: int, least: int, most: int) -> int:
    return max(least, min(value, most))
