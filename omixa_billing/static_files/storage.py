"""Names with a hash for what was collected, and plain names, served from where the files stand, for all else."""

from collections.abc import Callable
from re import Match
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Where nothing was collected, as in tests and commands, every name stays plain."""

    keep_only_hashed_files = True  # plain names are the finders'

    def read_manifest(self) -> str | None:
        return super().read_manifest() if self.base_location else None

    def stored_name(self, name: str) -> str:
        try:
            return super().stored_name(name)
        except ValueError:  # not in the manifest
            return name

    def url_converter(self, *arguments: Any, **named: Any) -> Callable[[Match[str]], str]:
        """A file may name one that is not there, as a script does its source map: that name stays as it is."""
        convert = super().url_converter(*arguments, **named)

        def lenient(match: Match[str]) -> str:
            try:
                return convert(match)
            except ValueError:
                return match["matched"]

        return lenient
