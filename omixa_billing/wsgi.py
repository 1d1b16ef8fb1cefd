"""What the web server imports."""

import os
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.utils.http import parse_header_parameters

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "omixa_billing.settings")


class Utf8Request(WSGIRequest):
    """UTF-8, whatever charset Content-Type names: Django would take any codec of Python's, query string included."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        try:
            self.content_type, self.content_params = parse_header_parameters(meta.get("CONTENT_TYPE", ""))
        except (ValueError, LookupError):  # its parameters can be too long, and in any codec too
            self.content_type, self.content_params = "", {}


class Handler(WSGIHandler):
    request_class = Utf8Request


class GatewayHandler(Handler):
    """The same views behind GATEWAY_MIDDLEWARE: for a request of a few milliseconds the whole list is a third of its cost."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Once, while this module is imported and nothing else runs: Django reads the list from its settings only."""
        whole, settings.MIDDLEWARE = settings.MIDDLEWARE, settings.GATEWAY_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = whole


django.setup(set_prefix=False)
application = Handler()
gateway_application = GatewayHandler()
