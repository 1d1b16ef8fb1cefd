"""What the workspace is alerted to, and what the product does by itself with a key that leaked or spends too much."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from metering.alerts.preferences import alert_settings_of, change_alert_settings
from metering.website.member import member_page
from metering.website.settings.alert_forms import AlertsForm
from omixa_billing.api.errors import Refusal
from workspaces.access.authentication import Caller


@member_page()
def alerts_page(request: HttpRequest, caller: Caller) -> HttpResponse:
    form = AlertsForm.of(alert_settings_of(caller.workspace), request.POST or None)
    if request.method == "POST" and caller.may_manage_keys and form.is_valid():
        try:
            change_alert_settings(caller.workspace, form.cleaned_data, caller.actor, timezone.now(), caller.user)
        except Refusal as refusal:
            form.show(refusal)
        else:
            messages.success(request, "The alerts are saved.")
            return redirect("pages:alerts")
    return render(request, "website/settings/alerts.html", {"form": form, "caller": caller})
