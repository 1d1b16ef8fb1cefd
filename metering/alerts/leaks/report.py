"""Secrets that were found in public: what is done about each, once, and who is notified.

A key is revoked or frozen, as its workspace has chosen; what was done before is not done again. A gateway's token still works
unless the operator has set otherwise: revoking it would stop every customer's requests at once, while what is sent with it
names its gateway and can be corrected. The secret itself is neither stored nor logged: it is known by its SHA-256.
"""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.db import transaction

from metering.alerts.leaks.matches import FoundSecret
from metering.alerts.models import AlertSettings
from metering.alerts.preferences import alert_settings_of
from metering.notifications.announce import announce
from metering.payments.mails.outbox import add_notice, add_operator_notices, send_soon
from omixa_billing.instants import instant_text
from workspaces import audit
from workspaces.errors import KeyRevoked
from workspaces.keys.freezing import freeze_key
from workspaces.keys.issue import revoke_gateway, revoke_key
from workspaces.keys.secrets import sha256
from workspaces.models import APIKey, Credential, Gateway, OperatorKey
from workspaces.operators.keys import revoke_operator_key

ACTOR = "github"
TRUE, FALSE = "true_positive", "false_positive"
OnLeak = AlertSettings.OnLeak
# What was done, as people and programs read it.
OUTCOMES = {OnLeak.REVOKE.value: "revoked", OnLeak.FREEZE.value: "frozen", "tell": "none"}
LeakAnswer = dict[str, str]


def report_leaks(matches: Sequence[FoundSecret], now: datetime) -> list[LeakAnswer]:
    """Acts on those that are ours, and says of each whether it is, as GitHub wants to hear it."""
    by_hash = {sha256(match.token): match for match in matches}
    owners = Credential.objects.select_related("api_key__workspace", "gateway")
    found = {bytes(each.sha256): each for each in owners.filter(sha256__in=list(by_hash)).order_by("pk")}
    for digest, credential in found.items():
        act_on_leak(credential, by_hash[digest], now)
    of_operators = {bytes(each.sha256): each for each in OperatorKey.objects.filter(sha256__in=list(by_hash)).order_by("pk")}
    for digest, operator_key in of_operators.items():
        _act_on_operator_key(operator_key, by_hash[digest], now)
    ours = found.keys() | of_operators.keys()
    return [
        {"token_hash": digest.hex(), "token_type": match.type, "label": TRUE if digest in ours else FALSE}
        for digest, match in by_hash.items()
    ]


def act_on_leak(credential: Credential, match: FoundSecret, now: datetime) -> bool:
    """Whether anything was done. A secret that was replaced and is past its grace opens nothing any more."""
    if credential.has_expired(now):
        return False
    if credential.api_key is not None:
        return _act_on_key(credential.api_key, str(credential), match, now)
    assert credential.gateway is not None  # noqa: S101 - the database: a credential has exactly one owner
    return _act_on_gateway(credential.gateway, credential, match, now)


@transaction.atomic
def _act_on_key(key: APIKey, secret: str, match: FoundSecret, now: datetime) -> bool:
    wanted = alert_settings_of(key.workspace).on_leaked_key
    if not (revoke_key(key, ACTOR, now) if wanted == OnLeak.REVOKE else _freeze(key, now)):
        return False
    where = {"url": match.url, "source": match.source, "outcome": OUTCOMES[wanted]}
    audit.record(ACTOR, "key.leaked", key.public_id, key.workspace, now=now, **where)
    about = {"key_id": key.public_id, "name": key.name, "kind": key.kind, "secret": secret, **where}
    name = f"{key.public_id}:{instant_text(now)}"
    announce(key.workspace, "key.leaked", f"key.leaked:{name}", about, now)
    add_notice(key.workspace, "key_leaked", f"key_leaked:{name}", {**about, "kind": key.get_kind_display()}, now)
    send_soon()
    return True


@transaction.atomic
def _act_on_operator_key(key: OperatorKey, match: FoundSecret, now: datetime) -> None:
    """It moves money: it is revoked at once. Operators who have a webhook hear of it."""
    if revoke_operator_key(key, ACTOR, now):
        where = {"url": match.url, "source": match.source, "outcome": OUTCOMES[OnLeak.REVOKE]}
        about = {
            "key_id": key.public_id,
            "name": key.name,
            "kind": "operator",
            "secret": f"{key.prefix}…{key.last_four}",
            **where,
        }
        announce(None, "key.leaked", f"key.leaked:{key.public_id}", about, now)


def _freeze(key: APIKey, now: datetime) -> bool:
    try:
        return freeze_key(key, ACTOR, now, reason=APIKey.Freeze.LEAKED)
    except KeyRevoked:
        return False


@transaction.atomic
def _act_on_gateway(gateway: Gateway, credential: Credential, match: FoundSecret, now: datetime) -> bool:
    """Once for each token, which may still work afterwards."""
    Gateway.objects.select_for_update(no_key=True).get(pk=gateway.pk)
    wanted = settings.ON_LEAKED_GATEWAY
    where = {"url": match.url, "source": match.source, "outcome": OUTCOMES[wanted]}
    about = {"gateway_id": gateway.public_id, "name": gateway.name, "secret": str(credential), **where}
    name = f"{gateway.public_id}:{credential.pk}"
    if not announce(None, "key.leaked", f"key.leaked:{name}", about, now):
        return False
    if wanted == OnLeak.REVOKE:
        revoke_gateway(gateway, ACTOR, now)
    audit.record(ACTOR, "gateway.leaked", gateway.public_id, None, now=now, **where)
    add_operator_notices(None, "gateway_leaked", f"gateway_leaked:{name}", {**about, "gateway_key": str(gateway.pk)}, now)
    send_soon()
    return True
