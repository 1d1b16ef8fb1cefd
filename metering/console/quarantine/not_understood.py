"""Numbers in usage that nobody knows: what waits for them, and the rules that say what they are."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from metering.components import LISTED
from metering.console import figures
from metering.console.quarantine.handling import AT_ONCE
from metering.errors import AlreadyResolved, InboxFull
from metering.ingest.formats.dialects.registry import BY_NAME
from metering.ingest.quarantine.not_understood import HeldPath, held_paths, release_held, set_free, waiting_for
from metering.ingest.understanding.decide import LAST_READS, end_rule, make_rule
from metering.ingest.understanding.models import UsageRule
from workspaces.console.kit import fields
from workspaces.console.kit.base import OperatorAdmin, actor_of
from workspaces.console.kit.pages import FormPage

COLUMNS = ["Number", "Dialect", "#Events", "#Would bill", "Gateways", "Models", "Last seen (UTC)"]
NAMED = 3  # gateways and models in a row
LISTING = "admin:metering_usagerule_changelist"
DECIDE = "admin:metering_usagerule_decide"
MEANINGS = {
    "information": "Informational: it does not say what was used",
    "part": "Part of another number, which counts it",
    "component": "A component, to be counted and billed",
}


def form_for(dialect: str) -> type[forms.Form]:
    """With the numbers that this dialect knows. Of part and component, the one that the meaning needs is read."""
    parts = [("", "—"), *((leaf, leaf) for leaf in sorted(BY_NAME[dialect].leaves))]
    components = [("", "—"), *((each.name, each.label) for each in LISTED)]

    class RuleForm(forms.Form):
        meaning = fields.choice("what it is", list(MEANINGS.items()))
        part = fields.choice("part of", parts, "Which number of this dialect counts it, if it is a part.")
        component = fields.choice(
            "component", components, "Which component it is, if it is one. One that is a part lies within its whole."
        )
        reason = fields.text("how it is known", "Such as the address of the provider's documentation.", max_length=500)

    for name in ("part", "component"):
        RuleForm.base_fields[name].required = False
    return RuleForm


class UsageRuleAdmin(OperatorAdmin):
    called = "Numbers not understood"
    when_empty = "What operators say of such numbers is kept here, with its versions."
    list_before_template = "console/quarantine/not_understood.html"
    list_display = ("number", "dialect", "words_text", "version", "begun", "ended")
    list_display_links = ("number",)
    list_filter = ("dialect",)
    search_fields = ("path", "public_id__exact")
    search_help_text = "A path"
    ordering = ("dialect", "path", "-version")
    sortable_by = ()
    fields = (
        ("path", "dialect"),
        ("words_text", "version"),
        "reason",
        ("begun", "made_by"),
        ("ended", "ended_by"),
        "waits",
    )
    readonly_fields = tuple(name for row in fields for name in ([row] if isinstance(row, str) else row))
    actions_detail = ("release_waiting", "end")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None, **rest: Any) -> HttpResponse:
        held = held_paths()
        shown = {"held_columns": COLUMNS, "held_rows": [_row(each) for each in held], "held": len(held)}
        return super().changelist_view(request, shown | (extra_context or {}), **rest)

    def heading_of(self, row: UsageRule) -> str:
        return row.path

    @display(description="number")
    def number(self, rule: UsageRule) -> str:
        return rule.path

    @display(description="is")
    def words_text(self, rule: UsageRule) -> str:
        return rule.words

    @display(description="from (UTC)")
    def begun(self, rule: UsageRule) -> str:
        return figures.moment(rule.begins_at)

    @display(description="until (UTC)")
    def ended(self, rule: UsageRule) -> str:
        return "" if rule.ends_at is None else figures.moment(rule.ends_at)

    @display(description="still waiting for it")
    def waits(self, rule: UsageRule) -> SafeString:
        return figures.count_html(waiting_for(rule.dialect, rule.path).count())

    def get_urls(self) -> list[Any]:
        page = self.admin_site.admin_view(self.decide_page)
        return [path("decide/", page, name="metering_usagerule_decide"), *super().get_urls()]

    def decide_page(self, request: HttpRequest) -> HttpResponse:
        """Says once what a number is, and sets free what waits for it."""
        dialect, number = request.GET.get("dialect", ""), request.GET.get("path", "")
        if dialect not in BY_NAME or not number:
            return redirect(LISTING)
        form_class = form_for(dialect)

        def act(asked: dict[str, Any]) -> HttpResponse:
            of = {"part": asked["part"], "component": asked["component"]}.get(asked["meaning"], "")
            actor, now = actor_of(request), timezone.now()
            rule = make_rule(dialect, number, asked["meaning"], of, asked["reason"], actor, now)
            messages.success(request, f"From now on, {number} in {dialect}'s usage is {rule.words}.")
            _release(request, rule)
            return redirect(LISTING)

        waiting = waiting_for(dialect, number).count()
        intro = (
            f"{number} is a number in {dialect}'s usage that is not understood. {_events(waiting)} wait for it, and are "
            "replayed at once if nothing else in them is unknown. The rule holds for what is received from now on."
        )
        page = FormPage("Say what the number is", act, reverse(LISTING), form_class, intro)
        return page.respond(request, self)

    @action(description="Release what waits", url_path="release", icon="replay")
    def release_waiting(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rule = get_object_or_404(UsageRule, pk=object_id)
        back = reverse("admin:metering_usagerule_change", args=[rule.pk])

        def act(_asked: dict[str, Any]) -> HttpResponse:
            _release(request, rule)
            return redirect(back)

        free = set_free(rule.dialect, rule.path, timezone.now()).count()
        intro = f"{_events(free)} wait for nothing else, and are sent again as they are, at most {AT_ONCE:,} at once."
        return FormPage("Release what waits", act, back, intro=intro).respond(request, self, rule)

    @action(description="End the rule", url_path="end", icon="event_busy")
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rule = get_object_or_404(UsageRule, pk=object_id)
        back = reverse("admin:metering_usagerule_change", args=[rule.pk])

        def act(_asked: dict[str, Any]) -> HttpResponse:
            end_rule(rule.pk, actor_of(request), timezone.now())
            messages.success(request, f"The rule ends in {LAST_READS.seconds} seconds.")
            return redirect(back)

        intro = f"Events with {rule.path} in {rule.dialect}'s usage are held again. What was recorded under the rule stays."
        return FormPage("End the rule", act, back, intro=intro, danger=True).respond(request, self, rule)


def _release(request: HttpRequest, rule: UsageRule) -> None:
    """Replays what a rule sets free, and says what came of it."""
    sent = refused = 0
    try:
        for batch in release_held(rule, actor_of(request), timezone.now(), AT_ONCE):
            sent, refused = sent + batch.event_count, refused + batch.rejected
    except InboxFull:
        messages.warning(request, "The inbox is full: release the rest once the workers have caught up.")
    except AlreadyResolved:
        pass  # another person replayed all of them meanwhile
    returned = f" {refused:,} of them were refused for another reason: these are back as new ones." if refused else ""
    messages.success(request, f"{_events(sent)} released.{returned}")


def _row(each: HeldPath) -> list[SafeString]:
    asked = urlencode({"dialect": each.dialect, "path": each.path})
    link = format_html('<a class="console-link" href="{}?{}">{}</a>', reverse(DECIDE), asked, each.path)
    amount = figures.money(each.estimate) if each.estimated else figures.figure("unknown")
    return [
        link,
        format_html("{}", each.dialect),
        figures.count_html(each.events),
        amount,
        format_html("{}", _some(each.gateways)),
        format_html("{}", _some(each.models)),
        figures.figure(figures.moment(each.last_seen)),
    ]


def _some(names: list[str]) -> str:
    named = [name for name in names if name]
    return ", ".join(named[:NAMED]) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")


def _events(number: int) -> str:
    return f"{number:,} event{'' if number == 1 else 's'}"


admin.site.register(UsageRule, UsageRuleAdmin)
