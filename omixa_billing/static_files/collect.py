"""Makes the collection that pages are served from. A folder is filled under another name and renamed when it is whole."""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from django.contrib.staticfiles import finders
from django.core.files.storage import Storage

from omixa_billing.embedded import locks
from omixa_billing.embedded.home import make_directory, run_directory

from .folder import CURRENT, collected, static_directory
from .storage import HashedFiles

# What no page names: source maps, and the parts of libraries that nothing here uses.
LEFT_OUT = ["*.map", "rest_framework", "redoc"]
FORM = b"1"  # raised when collections are made in another way
DRAFT = "draft-"

Found = dict[str, tuple[Storage, str]]


def collect() -> None:
    """Collect when a file is new, gone or changed. Processes that come at once wait for the first, and find it done."""
    found = find()
    name = files_digest(found)
    with locks.exclusive(run_directory() / "static.lock"):
        before = collected()
        if before is not None and before.name == name:
            return
        folder = make_directory(static_directory())
        if not (folder / name).is_dir():
            fill(folder / name, found)
        draft = folder / f"{DRAFT}{CURRENT}"
        draft.write_text(name)
        draft.replace(folder / CURRENT)
        clear(folder, {CURRENT, name, before.name if before else name})


def find() -> Found:
    """Storage and path of each file by the name that pages use. Of two with one name the first counts, as on all pages."""
    found: Found = {}
    for finder in finders.get_finders():
        for path, storage in finder.list(LEFT_OUT):
            prefix = getattr(storage, "prefix", None)
            found.setdefault(f"{prefix}/{path}" if prefix else path, (storage, path))
    return found


def files_digest(found: Found) -> str:
    """Of names, sizes and times of change, which is quick: no file is read."""
    summary = hashlib.sha256(FORM)
    for name, (storage, path) in sorted(found.items()):
        file = os.stat(storage.path(path))
        summary.update(f"\0{name}\0{file.st_size}\0{file.st_mtime_ns}".encode())
    return summary.hexdigest()[:16]


def fill(target: Path, found: Found) -> None:
    draft = Path(tempfile.mkdtemp(prefix=DRAFT, dir=target.parent))
    storage = HashedFiles(location=draft, file_permissions_mode=0o600, directory_permissions_mode=0o700)
    for _, _, outcome in storage.post_process(found):
        if isinstance(outcome, Exception):
            raise outcome
    draft.rename(target)


def clear(folder: Path, kept: set[str]) -> None:
    """The collection before this one stays, for processes that have not ended yet."""
    for path in folder.iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
