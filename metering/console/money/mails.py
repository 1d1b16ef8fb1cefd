"""Mails as their readers see them: to whom, the subject and the text, and what became of each."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from metering.console import figures
from metering.payments.mails.models import Notice
from metering.payments.mails.sending import addresses_of
from metering.payments.mails.texts import TEXTS, Mail, build_mail
from workspaces.console.kit.base import OperatorAdmin
from workspaces.mails.outgoing import NO_MAIL_SERVER

NOT_SENT = {
    Notice.Undeliverable.NO_ADDRESS: "not sent: no address",
    Notice.Undeliverable.REFUSED: "not sent: refused for good",
}
STATE_LABELS = {
    "sent": "success",
    "waiting": "info",
    "failed": "danger",
    "not sent: no mail server": "warning",
    **dict.fromkeys(NOT_SENT.values(), "danger"),
}
LONGEST_ERROR = 90


def kind_in_words(kind: str) -> str:
    return kind.replace("_", " ").capitalize()


def state_of(notice: Notice) -> str:
    if notice.sent_at is not None:
        return "sent"
    if notice.error == NO_MAIL_SERVER:
        return "not sent: no mail server"
    if notice.undeliverable:
        return NOT_SENT[Notice.Undeliverable(notice.undeliverable)]
    return "failed" if notice.tries else "waiting"


def mail_of(notice: Notice) -> Mail | None:
    """None where its text is not known any more, or its context lacks what the text prints."""
    try:
        return build_mail(notice.kind, notice.context)
    except (KeyError, TypeError):
        return None


class KindFilter(DropdownFilter):
    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind, kind_in_words(kind)) for kind in TEXTS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notice]) -> QuerySet[Notice]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


class MailPages(OperatorAdmin):
    """How mails are shown; what is done with them is their admin's."""

    called = "Mails"
    when_empty = "Mails to workspaces and to operators appear here automatically, and are sent within a minute."
    list_display: Any = ("written", "subject_text", "workspace", "state_label", "error_in_short")
    list_display_links = ("written",)
    list_select_related = ("workspace",)
    search_fields = ("key__startswith", "workspace__name__icontains")
    search_help_text = "A mail's key, or a part of the workspace's name"
    ordering = ("-id",)
    sortable_by = ()
    fields: Any = (
        ("workspace", "kind_text"),
        ("to", "state_label"),
        ("written", "sent_text"),
        "error_text",
        "subject_text",
        "mail_text",
        ("about", "key"),
    )
    readonly_fields: Any = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))

    def heading_of(self, row: Notice) -> str:
        return self.subject_text(row)

    @display(description="written (UTC)")
    def written(self, notice: Notice) -> str:
        return figures.moment(notice.created_at)

    @display(description="kind")
    def kind_text(self, notice: Notice) -> str:
        return kind_in_words(notice.kind)

    @display(description="subject")
    def subject_text(self, notice: Notice) -> str:
        mail = mail_of(notice)
        return mail.subject if mail else kind_in_words(notice.kind)

    @display(description="state", label=STATE_LABELS)
    def state_label(self, notice: Notice) -> str:
        return state_of(notice)

    @display(description="to")
    def to(self, notice: Notice) -> str:
        to, missing = addresses_of(notice)
        return ", ".join(to) or missing

    @display(description="sent (UTC)")
    def sent_text(self, notice: Notice) -> str:
        if notice.sent_at is not None:
            return figures.moment(notice.sent_at)
        tries = f"no, after {notice.tries} tr{'y' if notice.tries == 1 else 'ies'}" if notice.tries else "not yet"
        return f"{tries}; again at {figures.moment(notice.next_try_at)}" if notice.next_try_at else tries

    @display(description="last error")
    def error_text(self, notice: Notice) -> str:
        return notice.error or "none"

    @display(description="last error")
    def error_in_short(self, notice: Notice) -> str:
        error = notice.error
        return error if len(error) <= LONGEST_ERROR else f"{error[: LONGEST_ERROR - 1]}…"

    @display(description="text")
    def mail_text(self, notice: Notice) -> SafeString | str:
        mail = mail_of(notice)
        if mail is None:
            return "Its text cannot be shown: another version of this product wrote it."
        text = render_to_string("mails/notice.txt", {"mail": mail, "workspace": notice.workspace})
        return format_html('<pre class="console-code console-mail">{}</pre>', text.strip())

    @display(description="about")
    def about(self, notice: Notice) -> SafeString | str:
        invoice = notice.context.get("invoice_id")
        if not invoice:
            return "the workspace"
        page = f"{reverse('admin:metering_invoice_changelist')}?q={invoice}"
        return format_html('<a class="console-link" href="{}">Invoice {}</a>', page, notice.context.get("number") or invoice)
