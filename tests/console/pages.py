"""Every page of the console."""

from urllib.parse import urlencode

from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from metering.catalogue.models import LanguageModel, PriceVersion
from metering.ingest.models import QuarantinedEvent, UsageEvent
from tests.console.conftest import World
from workspaces.models import AuditEntry, Gateway, Membership, User


def every_page(world: World) -> list[str]:
    """The lists, the forms, and one page of each kind of thing."""
    lists = [
        "workspaces_workspace",
        "workspaces_apikey",
        "workspaces_user",
        "workspaces_membership",
        "workspaces_invitation",
        "workspaces_gateway",
        "workspaces_auditentry",
        "metering_languagemodel",
        "metering_priceversion",
        "metering_priceimport",
        "metering_providerprice",
        "metering_usageevent",
        "metering_batch",
        "metering_quarantinedevent",
        "metering_usagerule",
        "metering_invoice",
        "metering_creditnote",
        "metering_journalentry",
        "django_celery_beat_periodictask",
        "account_emailaddress",
        "mfa_authenticator",
    ]
    added = ["workspaces_workspace", "workspaces_apikey", "workspaces_user", "workspaces_gateway"]
    added += ["metering_languagemodel", "metering_priceversion", "django_celery_beat_periodictask"]
    added += ["metering_priceimport", "metering_providerprice"]
    event = UsageEvent.objects.get(workspace=world.acme, request_id="today-1")
    one = urlencode({"workspace": world.acme.pk, "at": event.occurred_at.isoformat(), "id": event.pk})
    rows = [
        ("workspaces_workspace_change", world.acme.pk),
        ("workspaces_workspace_invite_member", world.acme.pk),
        ("workspaces_apikey_change", world.key.pk),
        ("workspaces_apikey_change_key", world.key.pk),
        ("workspaces_apikey_rotate", world.key.pk),
        ("workspaces_apikey_revoke", world.key.pk),
        ("workspaces_gateway_change", Gateway.objects.get().pk),
        ("workspaces_gateway_rotate", Gateway.objects.get().pk),
        ("workspaces_gateway_revoke", Gateway.objects.get().pk),
        ("workspaces_user_change", User.objects.get(email="owner@acme.example").pk),
        ("workspaces_membership_change", Membership.objects.get(workspace=world.acme).pk),
        ("workspaces_membership_change_role", Membership.objects.get(workspace=world.acme).pk),
        ("workspaces_membership_remove", Membership.objects.get(workspace=world.acme).pk),
        ("workspaces_auditentry_change", AuditEntry.objects.first().pk),  # type: ignore[union-attr]
        ("metering_languagemodel_change", LanguageModel.objects.get(slug="codex-mini").pk),
        ("metering_priceversion_change", PriceVersion.objects.get(model__slug="codex-mini").pk),
        ("metering_priceversion_withdraw", PriceVersion.objects.get(model__slug="codex-mini").pk),
        ("metering_batch_change", world.batch.pk),
        ("metering_quarantinedevent_change", QuarantinedEvent.objects.get(request_id="negative").pk),
        ("metering_quarantinedevent_dismiss", QuarantinedEvent.objects.get(request_id="negative").pk),
        ("metering_quarantinedevent_replay", QuarantinedEvent.objects.get(request_id="negative").pk),
        ("metering_quarantinedevent_edit_and_replay", QuarantinedEvent.objects.get(request_id="negative").pk),
        ("metering_invoice_change", world.invoice.pk),
        ("metering_invoice_finalize", world.invoice.pk),
        ("metering_invoice_mark_paid", world.invoice.pk),
        ("metering_invoice_credit", world.invoice.pk),
        ("metering_invoice_void", world.invoice.pk),
        ("metering_invoice_uncollectible", world.invoice.pk),
        ("metering_invoice_reissue", world.invoice.pk),
        ("metering_invoice_printable", world.invoice.pk),
        ("django_celery_beat_periodictask_change", PeriodicTask.objects.earliest("pk").pk),
    ]
    return [
        reverse("admin:index"),
        *(reverse(f"admin:{name}_changelist") for name in lists),
        *(reverse(f"admin:{name}_add") for name in added),
        *(reverse(f"admin:{name}", args=[pk]) for name, pk in rows),
        f"{reverse('admin:metering_usageevent_changelist')}?workspace={world.acme.pk}",
        f"{reverse('admin:metering_usageevent_one')}?{one}",
        reverse("admin:metering_usageevent_unpriced"),
        reverse("admin:metering_batch_reprocess"),
        f"{reverse('admin:metering_usagerule_decide')}?dialect=openai.chat&path=tool_tokens",
        reverse("admin:metering_quarantinedevent_replay_matching"),
        f"{reverse('admin:metering_quarantinedevent_dismiss_matching')}?code=negative",
    ]
