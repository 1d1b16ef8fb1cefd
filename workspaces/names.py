"""What people may call things, and where they may be written to."""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from workspaces.errors import InvalidEmail, InvalidName, InvalidRole
from workspaces.models import Membership
from workspaces.redaction import holds_secret

MAX_NAME = 200
MAX_EMAIL = 254
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
UNPRINTABLE = {"Cc", "Cs"}  # control characters, and halves of characters that no database can store


def is_storable(text: str) -> bool:
    """Whether the database can hold it: it takes no NUL and no half of a character, as a wrong byte on a command line is."""
    return UNSTORABLE.search(text) is None


def storable_text(text: str) -> str:
    """The text with a replacement character in place of each that the database cannot hold."""
    return UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_name(name: str) -> str:
    """The name without surrounding space. Raises InvalidName when empty, too long or not text on one line."""
    name = name.strip()
    if not name:
        raise InvalidName("The name is empty: give it at least one character.", param="name")
    if len(name) > MAX_NAME:
        raise InvalidName(f"The name has {len(name)} characters: use at most {MAX_NAME}.", param="name")
    if holds_secret(name):
        raise InvalidName("The name contains a whole omx_ key or token: choose a name without a secret.", param="name")
    if any(unicodedata.category(character) in UNPRINTABLE for character in name):
        raise InvalidName("The name has a control character: write it as plain text on one line.", param="name")
    return name


def clean_email(email: str) -> str:
    """The address in lower case, as people sign in with it. Raises InvalidEmail."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidEmail(f"{email!r} is not an email address.", param="email") from None
    if len(email) > MAX_EMAIL:
        raise InvalidEmail(f"The address has {len(email)} characters: use at most {MAX_EMAIL}.", param="email")
    return email


def clean_role(role: str) -> str:
    """Raises InvalidRole."""
    if role not in Membership.Role.values:
        raise InvalidRole(f"{role!r} is not a role: choose one of {', '.join(Membership.Role.values)}.", param="role")
    return str(role)
