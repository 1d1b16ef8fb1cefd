"""The audit trail, to read."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, ChoicesDropdownFilter, DropdownFilter, TextFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator

from workspaces import audit
from workspaces.audit import chain
from workspaces.audit.words import SENTENCES
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.filters import DaysFilter
from workspaces.console.kit.pages import FormPage
from workspaces.downloads import console_download
from workspaces.models import AuditEntry

LONGEST_DETAIL = 80


class TargetFilter(TextFilter):
    """Entries about one object, by its id."""

    title = "target"
    parameter_name = "target"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(target=self.value().strip()) if self.value() else queryset


class ActionFilter(DropdownFilter):
    title = "action"
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(code, code) for code in sorted(SENTENCES)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class AuditEntryAdmin(OperatorAdmin):
    when_empty = "Every change by an operator, a customer or a job appears here."
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = ("at", "actor", "action_label", "target", "workspace", "detail_in_words")
    list_display_links = ("at",)
    list_filter = (
        ("actor_kind", ChoicesDropdownFilter),
        ActionFilter,
        ("workspace", AutocompleteSelectFilter),
        ("at", DaysFilter),
        TargetFilter,
    )
    list_before_template = "console/workspaces/trail.html"
    actions_list = ("export",)
    list_select_related = ("workspace",)
    search_fields = ("target__exact",)
    search_help_text = "The id of a key, price, invoice …"
    ordering = ("-id",)
    sortable_by = ()
    fields = (
        ("at", "action"),
        ("actor", "actor_kind"),
        ("target", "workspace"),
        ("ip_address", "user_agent"),
        ("pretty_detail",),
    )
    readonly_fields = tuple(name for row in fields for name in row)

    @action(description="Export", url_path="export", icon="download")
    def export(self, request: HttpRequest) -> HttpResponse:
        def act(asked: dict[str, Any]) -> Any:
            audit.record(actor_of(request), "trail.exported", "all workspaces", now=timezone.now())
            return console_download(request, _file)

        back = reverse("admin:workspaces_auditentry_changelist")
        intro = "Every entry with its hash, oldest first, one JSON object a line. The export is itself an entry."
        page = FormPage("Export the audit trail", act, back, intro=intro, submit="Download the file", once=False)
        return page.respond(request, self)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None, **rest: Any) -> HttpResponse:
        if request.method == "GET":
            extra_context = (extra_context or {}) | {"chain": chain.newest_state(), "newest": chain.NEWEST}
        return super().changelist_view(request, extra_context, **rest)

    @display(description="action", label=True)
    def action_label(self, entry: AuditEntry) -> str:
        return entry.action

    @display(description="detail")
    def detail_in_words(self, entry: AuditEntry) -> str:
        given = ((name, value) for name, value in entry.detail.items() if value not in (None, "", [], 0))
        words = ", ".join(f"{name}: {value}" for name, value in given)
        return words if len(words) <= LONGEST_DETAIL else f"{words[: LONGEST_DETAIL - 1]}…"

    @display(description="detail")
    def pretty_detail(self, entry: AuditEntry) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', json.dumps(entry.detail, indent=2, ensure_ascii=False))


def _file() -> StreamingHttpResponse:
    lines = (link.line() for link in chain.links())
    disposition = {"Content-Disposition": 'attachment; filename="audit.jsonl"'}
    return StreamingHttpResponse(lines, content_type="application/x-ndjson", headers=disposition)


admin.site.register(AuditEntry, AuditEntryAdmin)
