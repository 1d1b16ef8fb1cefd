"""Where one instance keeps its state, and which of its services are the embedded ones.

Importable without Django: settings, launchers and tests all ask here.
"""

import functools
import os
import secrets
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@functools.cache
def read_env_file() -> None:
    """Put `.env` into the environment once; what the environment already says wins."""
    path = REPOSITORY / ".env"
    if path.is_file():
        import environ

        environ.Env.read_env(path)


def home_path() -> Path:
    """OMIXA_HOME without touching the disk. A relative one counts from the repository, wherever the command runs."""
    read_env_file()
    configured = os.environ.get("OMIXA_HOME", "")
    return (REPOSITORY / (Path(configured).expanduser() if configured else ".omixa")).resolve()


def home_folder() -> Path:
    """OMIXA_HOME, made on demand. Private; closing.py closes one that was not."""
    path = home_path()
    make_directory(path)
    return path


def make_directory(path: Path) -> Path:
    """A folder closed to others. An existing one stays as it is."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def log_directory(base: Path | None = None) -> Path:
    return make_directory((base or home_folder()) / "log")


def run_directory(base: Path | None = None) -> Path:
    """Locks, sockets and the supervisor's configuration: all of it may be deleted while nothing runs."""
    return make_directory((base or home_folder()) / "run")


def uses_embedded_postgres() -> bool:
    read_env_file()
    return not os.environ.get("DATABASE_URL")


def uses_embedded_redis() -> bool:
    read_env_file()
    return not os.environ.get("CELERY_BROKER_URL")


def runs_embedded_redis() -> bool:
    """As the broker, or to count for limits beside a broker that cannot."""
    read_env_file()
    broker = os.environ.get("CELERY_BROKER_URL", "")
    broker_counts = broker.startswith("redis") and ";" not in broker
    return not broker or not (os.environ.get("REDIS_URL") or broker_counts)


def secret_key() -> str:
    """This home's own SECRET_KEY for development, made at the first call and the same ever after."""
    path = home_folder() / "secret_key"
    try:
        return path.read_text()
    except FileNotFoundError:
        pass
    draft = path.with_name(f"secret_key.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)  # atomic, and refuses to replace the key of a process that was faster
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()
