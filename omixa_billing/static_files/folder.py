"""Which collection of static files this home serves. Importable without Django: settings ask here.

Each collection has a folder of its own that never changes, and `static/current` names the one to serve.
"""

import re
from pathlib import Path

from omixa_billing.embedded.home import home_path

CURRENT = "current"


def static_directory() -> Path:
    return home_path() / "static"


def collected() -> Path | None:
    """The folder of the current collection; none where nothing was collected."""
    try:
        name = (static_directory() / CURRENT).read_text()
    except FileNotFoundError:
        return None
    folder = static_directory() / name
    return folder if re.fullmatch("[0-9a-f]{16}", name) and folder.is_dir() else None
