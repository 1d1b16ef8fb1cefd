"""The door of every page behind the sign-in: who is calling, and what a page answers to a refusal."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from omixa_billing.errors import Refusal
from workspaces.authentication import Caller, caller_of_member
from workspaces.current import membership_of

MemberView = Callable[..., HttpResponseBase]


def member_page(needs: str | None = None) -> Callable[[MemberView], MemberView]:
    """Hands the view its `Caller` after the request. `needs` names what the caller must be allowed, else 403.

    Signed out: to the sign-in. Without a workspace: a page that says so. A refusal that means "not here" is a 404.
    """

    def guard(view: MemberView) -> MemberView:
        @wraps(view)
        @login_required
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            membership = membership_of(request)
            if membership is None:
                return no_workspace(request)
            caller = caller_of_member(membership)
            if needs is not None and not getattr(caller, needs):
                raise PermissionDenied("Your role in this workspace does not include this.")
            return _or_not_found(view, request, caller, *args, **kwargs)

        return guarded

    return guard


def _or_not_found(view: MemberView, request: HttpRequest, caller: Caller, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        return view(request, caller, *args, **kwargs)
    except Refusal as refusal:
        if refusal.status == 404:
            raise Http404(refusal.message) from refusal
        raise


def no_workspace(request: HttpRequest) -> HttpResponse:
    """For somebody signed in who belongs to no workspace."""
    return render(request, "workspaces/none.html")


def refused(request: HttpRequest, refusal: Refusal, to: str, *args: Any) -> HttpResponse:
    """Says the refusal on the page it leads back to. One that means "not here" goes on up and becomes a 404."""
    if refusal.status == 404:
        raise refusal
    messages.error(request, refusal.message)
    return redirect(to, *args)
