"""Imports of prices: a file is uploaded or pasted, looked at, and applied as it was seen."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.decorators import display

from metering.catalogue.imports.apply import apply_import, file_text, new_import, preview_import
from metering.catalogue.imports.cards import parse_markup
from metering.catalogue.imports.models import PriceImport
from metering.catalogue.imports.plan import Plan, PriceChange, plan_import
from metering.console import figures
from metering.console.prices.price_list import in_lines, rate_change
from metering.errors import InvalidPrice
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage

MOST_ROWS_EACH = 200  # of each table of a preview
FORMATS = [("", "What the file looks like"), *PriceImport.Format.choices]
BOOKS = [("", "What customers pay"), ("provider", "What providers charge us")]
STATE_LABELS = {"applied": "success", "previewed": "warning"}


class ImportForm(forms.Form):
    file = fields.file_field("file", "LiteLLM's price map, OpenRouter's list of models, or CSV.")
    pasted = fields.long_text("or its text", required=False)
    file_format = fields.choice("format", FORMATS)
    book = fields.choice("the prices are", BOOKS)
    markup = fields.text("markup", "Such as 20%: on every rate, rounded half up to its decimals.", required=False)
    only = fields.text("only these models", "Patterns with commas between them: gpt-*, azure/*", required=False)
    effective_from = fields.instant_field("effective from (UTC)", "Empty: from when it is applied.", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("file_format", "book"):
            self.fields[name].required = False


class SeenForm(forms.Form):
    """Which plan was looked at: another one is not applied."""

    seen = forms.CharField(widget=forms.HiddenInput)


class PriceImportAdmin(OperatorAdmin):
    called = "Price imports"
    when_empty = "A file of prices is previewed first, and applied as it was seen."
    may_add = True
    list_display = ("begun", "what", "state", "new", "changed", "refused", "actor")
    list_display_links = ("begun",)
    search_fields = ("public_id__exact", "name__icontains")
    ordering = ("-id",)
    sortable_by = ()

    def get_urls(self) -> list[Any]:
        apply_page = self.admin_site.admin_view(self.apply_page)
        return [path("<int:pk>/apply/", apply_page, name="metering_priceimport_apply"), *super().get_urls()]

    @display(description="begun (UTC)")
    def begun(self, asked: PriceImport) -> SafeString:
        return figures.named_moment(asked.created_at, asked.public_id)

    @display(description="what")
    def what(self, asked: PriceImport) -> str:
        book = "what providers charge" if asked.provider_cost else "what customers pay"
        return f"{asked.name or asked.get_file_format_display()}: {book}"

    @display(description="state", label=STATE_LABELS)
    def state(self, asked: PriceImport) -> str:
        return "previewed" if asked.applied_at is None else "applied"

    @display(description="new")
    def new(self, asked: PriceImport) -> SafeString:
        return figures.count_html(asked.counts.get("new"))

    @display(description="changed")
    def changed(self, asked: PriceImport) -> SafeString:
        return figures.count_html(asked.counts.get("changed"))

    @display(description="refused")
    def refused(self, asked: PriceImport) -> SafeString:
        return figures.count_html(asked.counts.get("refused"))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        def act(given: dict[str, Any]) -> HttpResponse:
            now = timezone.now()
            name, text = _text_of(given)
            asked = new_import(
                text,
                actor=actor_of(request),
                now=now,
                name=name,
                file_format=given["file_format"],
                markup=parse_markup(given["markup"]),
                only=given["only"],
                provider_cost=bool(given["book"]),
                effective_from=given["effective_from"],
            )
            preview_import(asked, now)
            return redirect(reverse("admin:metering_priceimport_change", args=[asked.pk]))

        return FormPage(
            title="Import prices",
            act=act,
            back=self.list_link,
            form_class=ImportForm,
            intro="Nothing is changed yet: the next page shows what the file would do.",
            submit="Show what would change",
        ).respond(request, self)

    def change_view(self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        asked = self.get_object(request, object_id)
        if asked is None:
            raise Http404
        plan = None if asked.applied_at else plan_import(asked, timezone.now())
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": self.menu_name,
            "subtitle": asked.public_id,
            "model_admin": self,
            "object": asked,
            "plan": plan,
            "facts": _facts(asked),
            "counts": _count_cards(asked.counts if plan is None else plan.counts),
            "apply_link": _apply_link(asked, plan),
            "back": self.list_link,
            **({} if plan is None else _tables(plan)),
        }
        return TemplateResponse(request, "console/prices/import.html", context)

    def apply_page(self, request: HttpRequest, pk: int) -> HttpResponse:
        asked = get_object_or_404(PriceImport, pk=pk)
        page = reverse("admin:metering_priceimport_change", args=[asked.pk])
        plan = None if asked.applied_at else plan_import(asked, timezone.now())
        if plan is None or not plan.changes:
            messages.warning(request, "There is nothing to apply.")
            return redirect(page)

        def act(given: dict[str, Any]) -> HttpResponse:
            asked.actor = actor_of(request)
            done = apply_import(asked, timezone.now(), given["seen"])
            messages.success(request, f"{len(done.changes):,} prices of {len(done.new) + len(done.changed):,} models are set.")
            return redirect(page)

        said = f"{len(plan.changes):,} price{'' if len(plan.changes) == 1 else 's'}"
        return FormPage(
            title="Apply the import",
            act=act,
            back=page,
            intro=f"{said} of {len(plan.new):,} new and {len(plan.changed):,} known models begin "
            f"{figures.moment(asked.effective_from) if asked.effective_from else 'now'}. All of them are set, or none.",
            submit=f"Set {said}",
            form_class=SeenForm,
            initial={"seen": request.GET.get("seen") or plan.digest()},
        ).respond(request, self)


def _apply_link(asked: PriceImport, plan: Plan | None) -> str:
    """With what was looked at."""
    seen = {} if plan is None else {"seen": plan.digest()}
    return f"{reverse('admin:metering_priceimport_apply', args=[asked.pk])}?{urlencode(seen)}"


def _text_of(given: dict[str, Any]) -> tuple[str, str]:
    """The file's name and text. Raises InvalidPrice."""
    file, pasted = given["file"], given["pasted"].strip()
    if bool(file) == bool(pasted):
        raise InvalidPrice("Choose a file, or paste its text: one of the two.", param="file")
    return (file.name, file_text(file.read())) if file else ("", file_text(pasted.encode()))


def _facts(asked: PriceImport) -> list[tuple[str, str]]:
    markup = f"{asked.markup * 100:f}".rstrip("0").rstrip(".")
    begins = figures.moment(asked.effective_from) if asked.effective_from else "when it is applied"
    return [
        ("File", f"{asked.name or 'pasted'}, {asked.get_file_format_display()}"),
        ("Prices are", "what providers charge us" if asked.provider_cost else "what customers pay"),
        ("Markup", f"{markup}%" if asked.markup else "none"),
        ("Only", asked.only or "every model"),
        ("Effective from", begins),
        ("Begun by", f"{asked.actor}, {figures.moment(asked.created_at)}"),
        ("Applied", figures.moment(asked.applied_at) if asked.applied_at else "not yet"),
    ]


def _count_cards(counts: dict[str, int]) -> list[tuple[str, str]]:
    names = ("new", "changed", "unchanged", "refused", "withdrawn")
    return [(name.capitalize(), f"{counts.get(name, 0):,}") for name in names]


def _tables(plan: Plan) -> dict[str, Any]:
    withdrawn = [[each.model, each.service_tier, each.provider or "-"] for each in plan.withdrawn]
    remarks = [[model, " ".join(said)] for model, said in sorted(plan.remarks.items())]
    tables = [
        ("Prices that change", ["Model and tier", "Rates, USD"], [_change(each) for each in plan.changes if each.before]),
        ("New prices", ["Model and tier", "Rates, USD"], [_change(each) for each in plan.changes if each.before is None]),
        ("Withdrawn: an import set them, and they are not in this file. They stay.", ["Model", "Tier", "Provider"], withdrawn),
        ("Refused", ["Model", "Why"], [[model, reason] for model, reason in sorted(plan.refused.items())]),
        ("What to know of models that are imported", ["Model", "Remarks"], remarks),
    ]
    return {
        "tables": [
            {
                "title": title,
                "columns": columns,
                "rows": rows[:MOST_ROWS_EACH],
                "more": max(0, len(rows) - MOST_ROWS_EACH),
            }
            for title, columns, rows in tables
            if rows
        ]
    }


def _change(change: PriceChange) -> list[Any]:
    scope = change.scope
    more = f", above {scope.above_input_tokens:,} tokens" if scope.above_input_tokens else ""
    where = " ".join(each for each in (scope.provider, scope.route) if each)
    what = figures.two_lines(scope.model, f"{scope.service_tier}{more}{', ' if where else ''}{where}")
    rates = [rate_change(name, old, new, compared=change.before is not None) for name, old, new in change.steps()]
    return [what, in_lines(rates)]


admin.site.register(PriceImport, PriceImportAdmin)
