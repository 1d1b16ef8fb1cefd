"""Words of customers in mails that we send: short plain text that cannot become a link or read like a sentence of ours.

Mail programs turn addresses, numbers and anything with a dot in it into links. So only letters, digits, spaces and
`'-&` are left, no long numbers, and the mail quotes what is left and says whose words they are.
"""

import re
import unicodedata

LONGEST = 60
ALLOWED = " '-&"
LONG_NUMBER = re.compile(r"\d(?:[ -]?\d){5,}")


def plain(text: str) -> str:
    """At most 60 characters on one line, perhaps none."""
    kept = "".join(each if _is_plain(each) else " " for each in unicodedata.normalize("NFKC", text))
    words = " ".join(LONG_NUMBER.sub(" ", kept).split())
    return words if len(words) <= LONGEST else f"{words[: LONGEST - 1].rstrip()}…"


def address_in_words(email: str) -> str:
    """`ada (at) acme (dot) example`: to read, and no link in any mail program."""
    name, _, domain = email.rpartition("@")
    return f"{plain(name.replace('.', ' '))} (at) {' (dot) '.join(plain(part) for part in domain.split('.'))}"


def _is_plain(character: str) -> bool:
    return character in ALLOWED or unicodedata.category(character)[0] in "LNM"
