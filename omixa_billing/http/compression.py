"""Text goes out compressed. What is compressed already, PDFs and images, goes as it is."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

TEXTS = ("text/", "application/json", "application/javascript", "application/x-ndjson", "application/vnd.oai.openapi")


class CompressTexts(GZipMiddleware):
    """Django's, which makes the length of a page unpredictable, so that it tells nothing about secrets in it (BREACH).

    Streams are compressed as they are made, and nothing is held back beyond what the compressor itself holds.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> Any:
        if not response.headers.get("Content-Type", "").startswith(TEXTS):
            return response
        return super().process_response(request, response)
