"""What the pages about signing in say of this installation."""

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def session_hours() -> int:
    return int(settings.SESSION_HOURS)
