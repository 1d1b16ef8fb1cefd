"""The guard of every page behind the sign-in: who is calling, and what a page answers to a refusal.

A link in a mail names no workspace that the person has to have chosen before: a page that the current workspace does not
have is looked for in the person's other workspaces, and `?workspace=ws_...` chooses one.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from omixa_billing.api.errors import Refusal
from omixa_billing.http.addresses import READING
from workspaces.access.authentication import Caller, caller_of_member
from workspaces.members.current import HEADER, PARAMETER, choose_workspace, membership_of, memberships_of
from workspaces.models import Membership

MemberView = Callable[..., HttpResponseBase]


def member_page(needs: str | None = None) -> Callable[[MemberView], MemberView]:
    """Hands the view its `Caller` after the request. `needs` names what the caller must be allowed, else 403.

    Signed out: to the sign-in. Without a workspace: a page that says so. A refusal that means "not here" is a 404, unless
    another of the person's workspaces has the page.
    """

    def guard(view: MemberView) -> MemberView:
        @wraps(view)
        @login_required
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            membership = membership_of(request)
            if membership is None:
                return no_workspace(request)
            if (chosen := _named_in_address(request, membership)) is not None:
                return chosen

            def answer(membership: Membership) -> HttpResponseBase:
                caller = caller_of_member(membership)
                if needs is not None and not getattr(caller, needs):
                    raise PermissionDenied("Your role in this workspace does not include this.")
                return _or_not_found(view, request, caller, *args, **kwargs)

            try:
                answered = answer(membership)
            except Http404:
                if (found := _elsewhere(request, membership, answer)) is None:
                    raise
                return found
            missing = answered.status_code == 404
            return (_elsewhere(request, membership, answer) if missing else None) or answered

        return guarded

    return guard


def _named_in_address(request: HttpRequest, current: Membership) -> HttpResponse | None:
    """The way to the same page of the workspace that the address names, when it is another one of the person's."""
    named = request.GET.get(PARAMETER)
    if named is None or not _is_read(request):
        return None
    rest = request.GET.copy()
    rest.pop(PARAMETER)
    address = request.path + (f"?{rest.urlencode()}" if rest else "")
    if named != current.workspace.public_id and not choose_workspace(request, named):
        raise Http404("You are not a member of the workspace that this link names.")
    if named != current.workspace.public_id:
        _say_switched(request, membership_of(request))
    return redirect(address)


def _elsewhere(
    request: HttpRequest, current: Membership, answer: Callable[[Membership], HttpResponseBase]
) -> HttpResponseBase | None:
    """The page from another of the person's workspaces, which is the current one from now on.

    A page is asked for once more, since its frame shows the workspace; a file has no frame, and is the answer itself.
    """
    if not _is_read(request) or HEADER in request.headers:
        return None
    for other in memberships_of(request):
        found = None if other.pk == current.pk else _page_of(other, answer)
        if found is not None:
            choose_workspace(request, other.workspace.public_id)
            _say_switched(request, other)
            is_page = found.headers.get("Content-Type", "").startswith("text/html")
            return redirect(request.get_full_path()) if is_page else found
    return None


def _page_of(membership: Membership, answer: Callable[[Membership], HttpResponseBase]) -> HttpResponseBase | None:
    try:
        found = answer(membership)
    except (Http404, PermissionDenied):
        return None
    return None if found.status_code == 404 else found


def _is_read(request: HttpRequest) -> bool:
    return request.method in READING


def _say_switched(request: HttpRequest, membership: Membership | None) -> None:
    if membership is not None:
        messages.info(request, f"This page belongs to {membership.workspace.name}, which is your current workspace now.")


def _or_not_found(view: MemberView, request: HttpRequest, caller: Caller, *args: Any, **kwargs: Any) -> HttpResponseBase:
    try:
        return view(request, caller, *args, **kwargs)
    except Refusal as refusal:
        if refusal.status == 404:
            raise Http404(refusal.message) from refusal
        raise


def no_workspace(request: HttpRequest) -> HttpResponse:
    """For a person signed in who belongs to no workspace."""
    return render(request, "website/errors/no_workspace.html")


def show_refusal(request: HttpRequest, refusal: Refusal, to: str, *args: Any) -> HttpResponse:
    """Says the refusal on the page it leads back to. One that means "not here" becomes a 404."""
    if refusal.status == 404:
        raise refusal
    messages.error(request, refusal.message)
    return redirect(to, *args)
