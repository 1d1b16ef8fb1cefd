"""What looks like a person's secret in what a gateway sent, for wherever a person may read it.

Our own are removed before it is stored (workspaces/redaction.py). Others' are no more ours to show: a provider's key, a
token, a password.
"""

import re
from typing import Any

from metering.ingest.formats.repeated import as_written, with_values
from workspaces.redaction import redact

REMOVED = "[removed]"

# By how they begin: what providers, clouds and forges put in front of theirs, so that scanners find them. Model names begin
# with some of it too, so what is written in words with dashes between them is none. Nothing here looks ahead without a bound
# from wherever it begins: content is up to 5 MiB of whatever a person sends.
SHAPES = re.compile(
    r"""
    (?P<kept>\bBearer\s+|\bBasic\s+)[A-Za-z0-9._~+/=-]{8,}    # an Authorization header
    | (?P<scheme>(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^/\s:@"]*:)[^/\s@"]+(?=@)  # a password in an address
    | \b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}                      # OpenAI, Anthropic, OpenRouter, LiteLLM, Stripe
    | \b(?:xai-|pplx-|gsk_|hf_|r8_)[A-Za-z0-9]{24,}             # xAI, Perplexity, Groq, Hugging Face, Replicate
    | \bnvapi-[A-Za-z0-9_-]{16,}                               # NVIDIA
    | \bAIza[A-Za-z0-9_-]{30,}                                  # Google
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                             # Amazon
    | \b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})
    | \bxox[abprs]-[A-Za-z0-9-]{10,}                            # Slack
    | \beyJ[A-Za-z0-9_-]{8,1000}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*  # a JSON web token
    """,
    re.VERBOSE,
)
# By the name of the field they stand in. Counts of tokens end in "tokens" and are none.
NAMES = re.compile(
    r"(?:^|[_-])(?:api[_-]?key|authorization|password|passwd|secret|(?:access|auth|refresh|session|id|bearer)[_-]?token"
    r"|client[_-]?secret|private[_-]?key|credentials?|cookie)$|^token$",
    re.IGNORECASE,
)
# A field of a JSON text that cannot be read as JSON, perhaps cut off in its value.
FIELD = re.compile(r'"(?P<name>[^"\\]{1,100})"(?P<between>\s*:\s*)"(?:[^"\\]|\\.)+', re.DOTALL)
# What says which request it was: removing that would make another event of it.
IDENTITY = ("request_id",)


def without_secrets(text: str) -> str:
    """Text without what has the shape of a secret."""
    return SHAPES.sub(_removed, redact(text))


def text_without_secrets(text: str) -> str:
    """The same of a text that is meant to be JSON, where fields are known by their names as well."""
    return without_secrets(FIELD.sub(_removed_field, text))


def _removed_field(found: re.Match[str]) -> str:
    return f'"{found["name"]}"{found["between"]}"{REMOVED}' if NAMES.search(found["name"]) else found[0]


def _removed(found: re.Match[str]) -> str:
    return f"{found['kept'] or found['scheme'] or ''}{REMOVED}"


def content_without_secrets(value: Any) -> Any:
    """Decoded JSON without secrets, known by their shape or by the field they are in; the request id stays as it is."""
    if not isinstance(value, dict):
        return _cleaned(value)
    kept = {name: value[name] for name in IDENTITY if name in value}
    return with_values(_cleaned(value), kept)


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    if isinstance(value, dict):
        return as_written([(without_secrets(name), _field(name, each)) for name, each in value.items()])
    return value


def _field(name: str, value: Any) -> Any:
    if isinstance(value, str) and value and NAMES.search(name):
        return REMOVED
    return _cleaned(value)
