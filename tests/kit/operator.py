"""What an operator does in the console: fills in forms, confirms previews, looks at the trail."""

import html
import re
from typing import Any

from django.test import Client
from django.urls import reverse

from metering.invoicing.models import Invoice
from workspaces.models import AuditEntry, Workspace


def submit(console: Client, url: str, **given: object):  # type: ignore[no-untyped-def]
    """Opens the form, sends it and confirms what it previews, as a browser does."""
    answer = console.post(url, {"form_token": token_of(console.get(url)), **given})
    if answer.status_code == 200 and (button := confirms(answer)):
        answer = console.post(url, {"form_token": token_of(answer), **given, "confirmed": button})
    return answer


def send_form(console: Client, url: str, **asked: Any) -> Any:
    """Opens the form and sends it, and follows where it leads."""
    page = console.get(url)
    assert page.status_code == 200
    return console.post(url, asked | {"form_token": page.context["form_token"]}, follow=True)


def token_of(answer) -> str:  # type: ignore[no-untyped-def]
    found = re.search(r'name="form_token" value="([^"]+)"', answer.content.decode())
    assert found
    return found[1]


def confirms(answer) -> str:  # type: ignore[no-untyped-def]
    """What the button of a preview says; empty where the answer is no preview."""
    found = re.search(r'name="confirmed"\s+value="([^"]+)"', answer.content.decode())
    return html.unescape(found[1]) if found else ""


def acts_on(target: str) -> list[tuple[str, str]]:
    return list(AuditEntry.objects.filter(target=target).order_by("id").values_list("actor", "action"))


def act_on_invoice(console: Client, name: str, invoice: Invoice, **given: str):  # type: ignore[no-untyped-def]
    answer = submit(console, reverse(f"admin:metering_invoice_{name}", args=[invoice.pk]), **given)
    invoice.refresh_from_db()
    return answer


def workspace_page(workspace: Workspace) -> str:
    return reverse("admin:workspaces_workspace_change", args=[workspace.pk])


def facts_about_money(console: Client, workspace: Workspace) -> dict[str, str]:
    """What the panel on the workspace's page says, without its links' words."""
    page = console.get(workspace_page(workspace)).content.decode()
    pairs = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    bare = {name: re.sub(r'<span class="console-acts">.*?</span>', "", value) for name, value in pairs}
    return {name: " ".join(html.unescape(re.sub(r"<[^>]+>", " ", value)).split()) for name, value in bare.items()}
