"""What a report of leaked secrets holds, as GitHub's partner program has it: `[{token, type, url, source}]`."""

from typing import Annotated

import msgspec

from metering.errors import MalformedBody
from workspaces.redaction import redact

MOST_MATCHES = 5_000


class SentMatch(msgspec.Struct):
    """One secret that was found. What else is said of it is of no concern here."""

    token: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    type: Annotated[str, msgspec.Meta(max_length=200)]
    url: Annotated[str, msgspec.Meta(max_length=4_000)] | None = None
    source: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class FoundSecret(msgspec.Struct):
    """A match, checked; its texts can be stored and hold no secret."""

    token: str
    type: str
    url: str
    source: str


READ = msgspec.json.Decoder(Annotated[list[SentMatch], msgspec.Meta(max_length=MOST_MATCHES)])


def read_matches(body: bytes) -> list[FoundSecret]:
    """Raises MalformedBody, which repeats nothing of the body."""
    try:
        matches = READ.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedBody(
            f"The body is a JSON array of at most {MOST_MATCHES:,} objects with token, type, url and source."
        ) from None
    return [FoundSecret(each.token, _clean(each.type), _clean(each.url), _clean(each.source)) for each in matches]


def _clean(text: str | None) -> str:
    return redact((text or "").replace("\x00", ""))
