"""A mail before it is written out: plain texts, which the templates escape."""

from dataclasses import dataclass, field

BILLING = "/billing"


@dataclass(frozen=True, slots=True)
class Mail:
    """`facts` are (name, value) rows; `path` and `button` lead to a page of ours."""

    subject: str
    sentences: list[str]
    facts: list[tuple[str, str]] = field(default_factory=list)
    path: str = ""
    button: str = ""
