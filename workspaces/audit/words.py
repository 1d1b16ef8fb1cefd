"""The trail as customers read it: sentences, and of the people who run the product no more than that it was them."""

from __future__ import annotations

from typing import Any

from workspaces.audit.models import AuditEntry
from workspaces.ids import audit_id

Kind = AuditEntry.ActorKind
STAFF = "Omixa staff"
# Operators and commands: who of them it was, and from where, is not the customer's to see.
STAFF_KINDS = (Kind.OPERATOR, Kind.COMMAND)
NAMED = {
    Kind.SYSTEM: "Omixa",
    Kind.PROVIDER: "The payment provider",
    Kind.GATEWAY: "A gateway",
    Kind.STRANGER: "An unknown caller",
}

# Of several of a kind.
NAMED_ALONE = {"github": "GitHub"}

# After the actor.
SENTENCES = {
    "address.confirmed": "confirmed the address {target}",
    "alerts.changed": "changed what the workspace is alerted to",
    "apikey.created": "created key {target}",
    "authenticator.deleted": "removed a second factor ({target})",
    "budget.changed": "changed budget {target}",
    "budget.created": "created budget {target}",
    "budget.deleted": "deleted budget {target}",
    "budgets.rebuilt": "counted budgets again",
    "catalogue.loaded": "loaded {target}",
    "credential.refused": "used a credential that was refused ({target})",
    "credit.granted": "granted credit {target}",
    "credit.reversed": "took back credit {target}",
    "credit.transferred": "transferred credit between workspaces ({target})",
    "credit.top_up": "bought credit ({target})",
    "credit_note.issued": "issued credit note {target}",
    "credit_note.settled_outside": "settled credit note {target} outside the product",
    "crontabschedule.changed": "changed the timetable {target}",
    "crontabschedule.created": "added the timetable {target}",
    "emailaddress.changed": "changed the sign-in address {target}",
    "export.downloaded": "downloaded the bookkeeping export {target}",
    "report.downloaded": "downloaded the report {target}",
    "factor.added": "set up a second factor for {target}",
    "factor.removed": "removed a second factor of {target}",
    "factor.reset": "created new recovery codes for {target}",
    "fee.set": "agreed on fee {target}",
    "file.downloaded": "downloaded {target}",
    "form.sent": "sent the form at {target}",
    "gateway.created": "created gateway {target}",
    "gateway.leaked": "reported the token of gateway {target} as found in public",
    "gateway.reach_changed": "changed what gateway {target} may send and correct",
    "gateway.renamed": "renamed gateway {target}",
    "gateway.revoked": "revoked gateway {target}",
    "gateway.rotated": "rotated the token of gateway {target}",
    "inbox.reminded": "ordered {target} to be processed again",
    "intervalschedule.changed": "changed the timetable {target}",
    "intervalschedule.created": "added the timetable {target}",
    "invitation.accepted": "accepted invitation {target}",
    "invitation.declined": "declined invitation {target}",
    "invitation.sent": "sent invitation {target}",
    "invitation.withdrawn": "withdrew invitation {target}",
    "invoice.accepted": "accepted what invoice {target} takes back",
    "invoice.finalized": "finalized invoice {target}",
    "invoice.reopened": "noted that invoice {target} is due again",
    "invoice.paid": "marked invoice {target} as paid",
    "invoice.past_due": "marked invoice {target} as overdue",
    "invoice.payment_requested": "asked to pay invoice {target}",
    "invoice.reissued": "reissued invoice {target}",
    "invoice.uncollectible": "marked invoice {target} as uncollectible",
    "invoice.write_off_reversed": "made invoice {target} open again",
    "invoice.voided": "voided invoice {target}",
    "job.not_started": "could not start the job {target}",
    "job.started": "started the job {target}",
    "key.created": "created key {target}",
    "key.expiry_changed": "changed when key {target} expires",
    "key.frozen": "froze key {target}",
    "key.leaked": "reported the secret of key {target} as found in public",
    "key.models_changed": "changed which models key {target} may ask for",
    "key.renamed": "renamed key {target}",
    "key.revoked": "revoked key {target}",
    "key.rotated": "rotated the secret of key {target}",
    "key.scopes_changed": "changed what key {target} may do",
    "key.unfrozen": "unfroze key {target}",
    "languagemodel.changed": "changed the page of model {target}",
    "languagemodel.created": "added model {target}",
    "line.added": "added line {target} to an invoice to come",
    "member.added": "added {target} as a member",
    "member.removed": "removed the member {target}",
    "member.role_changed": "changed the role of {target}",
    "notice.sent_again": "sent mail {target} again",
    "operator.created": "made {target} an operator",
    "operatorkey.created": "created key {target} of operators",
    "operator_key.created": "created key {target} of operators",
    "operator_key.revoked": "revoked key {target} of operators",
    "password.changed": "changed the password of {target}",
    "password_link.printed": "printed a link that sets the password of {target}",
    "payment.charged_back": "took payment {target} back",
    "payment.disputed": "reported a dispute of payment {target}",
    "payment.kept_as_credit": "kept payment {target} as credit",
    "payment.recorded": "recorded payment {target}",
    "payment.refund": "refunded a payment ({target})",
    "payment.reinstated": "paid again what was taken back of payment {target}",
    "payment.surplus": "noted that more was paid than was due ({target})",
    "payment_method.removed": "removed a payment method",
    "payment_method.saved": "saved a payment method",
    "payout.recorded": "recorded payout {target}",
    "period.locked": "locked the books of {target}",
    "periodictask.changed": "changed the scheduled job {target}",
    "periodictask.created": "added the scheduled job {target}",
    "periodictask.deleted": "removed the scheduled job {target}",
    "price.set": "set price {target}",
    "price.withdrawn": "withdrew price {target}",
    "priceimport.created": "previewed an import of prices ({target})",
    "prices.imported": "imported prices ({target})",
    "priceversion.created": "added price {target}",
    "provider_costs.rerated": "worked out again what {target} cost",
    "provider_price.set": "set provider cost {target}",
    "provider_price.withdrawn": "withdrew provider cost {target}",
    "providerprice.created": "added provider cost {target}",
    "quarantine.dismissed": "dismissed usage event {target}",
    "quarantine.replayed": "replayed usage event {target}",
    "usage.reread": "read {target} again, by what is known of it now",
    "usage_rule.ended": "ended the rule for a number in usage: {target}",
    "usage_rule.made": "decided what a number in usage is: {target}",
    "record.viewed": "looked at {target}",
    "rerating.created": "ordered re-rating {target}",
    "rerating.ordered": "ordered re-rating {target}",
    "rollups.rebuilt": "rebuilt the rollups of {target}",
    "schedule.disabled": "switched off the job {target}",
    "schedule.enabled": "switched on the job {target}",
    "session.ended": "signed out",
    "session.refused": "failed to sign in as {target}",
    "session.started": "signed in",
    "sessions.ended": "ended the sessions of {target}",
    "settings.changed": "started the product with changed settings",
    "taxrate.created": "added the tax rate {target}",
    "terms.changed": "changed the billing terms",
    "top_ups.changed": "changed automatic top-ups",
    "trail.exported": "exported the audit trail of {target}",
    "user.changed": "changed the account {target}",
    "user.created": "created the account {target}",
    "user.switched_off": "switched off the account {target}",
    "user.switched_on": "switched on the account {target}",
    "webhook.changed": "changed webhook {target}",
    "webhook.created": "created webhook {target}",
    "webhook.deleted": "deleted webhook {target}",
    "webhook.delivery_replayed": "replayed webhook delivery {target}",
    "webhook.disabled": "disabled webhook {target}",
    "webhook.enabled": "enabled webhook {target}",
    "webhook.replayed": "replayed payment event {target}",
    "webhook.rotated": "put a new secret on webhook {target}",
    "webhook.tested": "sent a test to webhook {target}",
    "webhookendpoint.created": "added webhook {target}",
    "workspace.closed": "closed the workspace",
    "workspace.changed": "changed the workspace's name or address",
    "workspace.created": "created the workspace",
    "workspace.models_changed": "changed which models the workspace may ask for",
    "workspace.suspended": "suspended the workspace",
    "workspace.unsuspended": "lifted the suspension of the workspace",
}

# What concerns the product and no workspace: it stands in no customer's trail.
OF_OPERATORS = frozenset(
    {
        "authenticator.deleted",
        "catalogue.loaded",
        "crontabschedule.changed",
        "crontabschedule.created",
        "emailaddress.changed",
        "export.downloaded",
        "gateway.created",
        "gateway.leaked",
        "gateway.reach_changed",
        "gateway.renamed",
        "gateway.revoked",
        "gateway.rotated",
        "inbox.reminded",
        "intervalschedule.changed",
        "intervalschedule.created",
        "job.not_started",
        "job.started",
        "languagemodel.changed",
        "languagemodel.created",
        "operator.created",
        "operator_key.created",
        "operatorkey.created",
        "operator_key.revoked",
        "period.locked",
        "periodictask.changed",
        "periodictask.created",
        "periodictask.deleted",
        "priceimport.created",
        "prices.imported",
        "provider_costs.rerated",
        "provider_price.set",
        "provider_price.withdrawn",
        "providerprice.created",
        "report.downloaded",
        "rollups.rebuilt",
        "schedule.disabled",
        "schedule.enabled",
        "settings.changed",
        "taxrate.created",
        "usage.reread",
        "usage_rule.ended",
        "usage_rule.made",
        "user.created",
        "webhook.replayed",
        "webhookendpoint.created",
    }
)
OF_WORKSPACES = tuple(sorted(set(SENTENCES) - OF_OPERATORS))

# Where the actor and the target are the same person.
OF_ONESELF = {
    "factor.added": "set up a second factor",
    "factor.removed": "removed a second factor",
    "factor.reset": "created new recovery codes",
    "address.confirmed": "confirmed their address",
    "member.added": "joined the workspace",
    "member.removed": "left the workspace",
    "password.changed": "changed their password",
    "sessions.ended": "ended their other sessions",
    "user.changed": "changed their account",
    "user.created": "created their account",
}


def customer_actor(entry: AuditEntry) -> str:
    """As a customer reads it."""
    if entry.actor_kind in STAFF_KINDS:
        return STAFF
    return NAMED_ALONE.get(entry.actor) or NAMED.get(Kind(entry.actor_kind), entry.actor)


def entry_sentence(entry: AuditEntry, actor: str | None = None) -> str:
    """`ada@acme.example revoked key key_0V….`; an act without words of its own by its code."""
    name = customer_actor(entry) if actor is None else actor
    oneself = OF_ONESELF.get(entry.action) if name == entry.actor == entry.target else None
    words = oneself or SENTENCES.get(entry.action) or entry.action.replace(".", " ").replace("_", " ") + " {target}"
    return f"{name} {words.replace('{target}', entry.target)}."


def customer_entry(entry: AuditEntry) -> dict[str, Any]:
    """As `GET /api/v1/audit` answers it. Of the staff's acts neither address, program nor notes."""
    theirs = entry.actor_kind in STAFF_KINDS
    kind = "staff" if theirs else entry.actor_kind
    return {
        "id": audit_id(entry.pk),
        "at": entry.at,
        "actor": customer_actor(entry),
        "actor_kind": kind,
        "action": entry.action,
        "target": entry.target,
        "summary": entry_sentence(entry),
        "ip_address": None if theirs else entry.ip_address,
        "user_agent": "" if theirs else entry.user_agent,
        "detail": {} if theirs else entry.detail,
    }
