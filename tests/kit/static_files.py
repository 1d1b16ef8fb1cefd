"""Static files are found once in a process, as in the product, though each client of a test starts the application."""

from typing import Any

from django.conf import settings
from whitenoise.middleware import WhiteNoiseMiddleware

READ = ("STATICFILES_DIRS", "STATICFILES_FINDERS", "STATIC_ROOT", "STATIC_URL", "STORAGES", "INSTALLED_APPS", "DEBUG")


def find_once(patch: Any) -> None:
    """From here on, where a test has not changed what is read for it."""
    usual, find = _settings(), WhiteNoiseMiddleware.add_files_from_finders
    found: dict[str, Any] = {}

    def find_or_remember(middleware: WhiteNoiseMiddleware) -> None:
        if _settings() != usual:
            return find(middleware)
        if not found:
            find(middleware)
            found.update(middleware.files)
        middleware.files.update(found)
        return None

    patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", find_or_remember)


def _settings() -> dict[str, Any]:
    read = {*READ, *(name for name in dir(settings) if name.startswith("WHITENOISE_"))}
    return {name: getattr(settings, name, None) for name in sorted(read)}
