"""JSON as the customers' API reads it."""

from collections.abc import Mapping
from typing import IO, Any

from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from omixa_billing.stray_secrets import SecretInBody
from workspaces.redaction import holds_secret


class BoundedJSONParser(JSONParser):
    """JSON nested too deeply to read is the sender's mistake; DRF would take it for a bug of ours.

    Raises SecretInBody where a secret of ours stands in it, whatever the field.
    """

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        try:
            sent = super().parse(stream, media_type, parser_context)
            if holds_secret(sent):
                raise SecretInBody("The body holds a whole omx_ key or token, which is never stored: send its id instead.")
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        return sent
