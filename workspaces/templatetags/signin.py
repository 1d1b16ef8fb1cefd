"""What the pages about signing in say of this installation."""

from django import template
from django.conf import settings

from workspaces.signin import passkeys

register = template.Library()


@register.simple_tag
def session_hours() -> int:
    return int(settings.SESSION_HOURS)


@register.simple_tag
def passkey_origin() -> str:
    """The address at which passkeys work."""
    return passkeys.origin()
