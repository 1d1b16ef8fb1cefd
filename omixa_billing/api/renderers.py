"""JSON as clients of other products read it, and exact all the same."""

from collections.abc import Mapping
from typing import Any

import msgspec
from rest_framework.renderers import JSONRenderer


class ExactJSONRenderer(JSONRenderer):
    """A Decimal is written as a number with all its digits: what reads numbers as decimals loses none.

    Everything else is written as by the framework's own.
    """

    encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=str)

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return b"" if data is None else self.encoder.encode(data)
