"""The product's settings, read by a process of their own."""

import os
import subprocess
import sys
from pathlib import Path

STRONG = "w5Fh2mXq9ZtKc7RbVn4JyLs8DgPa3EuTi6Wo1Qx0HzMfUkBvNrC"

ROOT = Path(__file__).resolve().parents[2]


def start(**environment: str) -> subprocess.CompletedProcess[str]:
    """A process that reads the settings as the web server would."""
    kept = {name: value for name, value in os.environ.items() if name not in {"SECRET_KEY", "DEBUG", "OMIXA_ENV"}}
    return subprocess.run(
        [sys.executable, "-c", "import omixa_billing.settings as s; print(s.PRODUCTION, s.DEBUG)"],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
