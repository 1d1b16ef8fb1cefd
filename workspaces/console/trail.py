"""The audit trail, to read."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import AutocompleteSelectFilter, TextFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from workspaces.console.base import OperatorAdmin
from workspaces.models import AuditEntry

LONGEST_DETAIL = 80


class TargetFilter(TextFilter):
    """Entries about one thing, by its id."""

    title = "target"
    parameter_name = "target"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(target=self.value().strip()) if self.value() else queryset


class AuditEntryAdmin(OperatorAdmin):
    when_empty = "Whatever an operator, a customer or a job changes is written down here."
    paginator = InfinitePaginator
    show_full_result_count = False
    list_display = ("at", "actor", "action_label", "target", "workspace", "detail_in_words")
    list_display_links = ("at",)
    list_filter = (("workspace", AutocompleteSelectFilter), TargetFilter)
    list_select_related = ("workspace",)
    search_fields = ("target__exact",)
    search_help_text = "The id of a key, price, invoice …"
    ordering = ("-id",)
    sortable_by = ()
    fields = ("at", "actor", "action", "workspace", "target", "pretty_detail")
    readonly_fields = fields

    @display(description="action", label=True)
    def action_label(self, entry: AuditEntry) -> str:
        return entry.action

    @display(description="detail")
    def detail_in_words(self, entry: AuditEntry) -> str:
        said = ((name, value) for name, value in entry.detail.items() if value not in (None, "", [], 0))
        words = ", ".join(f"{name}: {value}" for name, value in said)
        return words if len(words) <= LONGEST_DETAIL else f"{words[: LONGEST_DETAIL - 1]}…"

    @display(description="detail")
    def pretty_detail(self, entry: AuditEntry) -> SafeString:
        return format_html('<pre class="console-code">{}</pre>', json.dumps(entry.detail, indent=2, ensure_ascii=False))


admin.site.register(AuditEntry, AuditEntryAdmin)
