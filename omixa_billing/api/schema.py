"""The OpenAPI document, made once in each process: it is the same for everybody, and takes a quarter of a second."""

from __future__ import annotations

import hashlib
import threading
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import get_conditional_response
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

_making = threading.Lock()
_forms: dict[type[BaseRenderer], tuple[bytes, str]] = {}


class SchemaView(SpectacularAPIView):
    """The one endpoint whose form, YAML or JSON, the Accept header chooses. With an ETag, so that readers need not fetch it."""

    content_negotiation_class = DefaultContentNegotiation

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        renderer = request.accepted_renderer
        body, etag = rendered(type(renderer))
        response = HttpResponse(body, content_type=renderer.media_type)
        response["Content-Disposition"] = f'inline; filename="{spectacular_settings.TITLE}.{renderer.format}"'
        response["ETag"] = etag
        return get_conditional_response(request._request, etag=etag, response=response) or response


def rendered(renderer: type[BaseRenderer]) -> tuple[bytes, str]:
    """The document in this form, and its ETag."""
    with _making:  # of many who ask at first, one makes it
        if renderer not in _forms:
            body = renderer().render(_document(), renderer.media_type, {})
            body = body.encode() if isinstance(body, str) else body
            _forms[renderer] = body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return _forms[renderer]


@cache
def _document() -> dict[str, Any]:
    made: dict[str, Any] = SpectacularAPIView.generator_class().get_schema(request=None, public=True)
    return made


def forget_schema() -> None:
    """For tests."""
    _forms.clear()
    _document.cache_clear()
