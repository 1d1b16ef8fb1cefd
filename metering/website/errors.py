"""What people get for a page that is not there or not for them: within the frame of their workspace where they have one."""

from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.views import defaults

from omixa_billing.api import errors
from workspaces.members.current import membership_of


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: JSON for programs, a page for people."""
    if errors.speaks_json(request) or not has_frame(request):
        return errors.not_found(request, exception)
    return defaults.page_not_found(request, exception, "website/errors/not_found.html")


def page_not_allowed(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403, alike."""
    if errors.speaks_json(request) or not has_frame(request):
        return errors.permission_denied(request, exception)
    return defaults.permission_denied(request, exception, "website/errors/not_allowed.html")


def has_frame(request: HttpRequest) -> bool:
    """Whether this is a member's browser. False too when the database cannot say: the bare page needs none."""
    try:
        return membership_of(request) is not None
    except Error:
        return False
