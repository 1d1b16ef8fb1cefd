"""What a first start leaves to try: a workspace, its keys, a gateway, and two people who can sign in."""

import secrets as randomness
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from omixa_billing.advisory_locks import AdvisoryLock, lock
from omixa_billing.command_actor import command_actor
from omixa_billing.http.addresses import CONSOLE
from workspaces import audit
from workspaces.ids import ALPHABET
from workspaces.keys import issue
from workspaces.members import members
from workspaces.models import APIKey, Membership, User, Workspace

ACTOR = command_actor("create_demo")
OPERATOR = "operator@omixa.example"
OWNER = "owner@demo.example"
PASSWORD_LENGTH = 16

TEXT = """\
A demo workspace is ready. This is shown once: keep what you need.

  Workspace          {workspace_id}
  Admin key          {admin_key}
  Live key           {live_key}
  Live key id        {live_key_id}
  Gateway token      {token}

  Customer sign-in   {url}/
                     {owner}   {owner_password}
  Operator sign-in   {url}{console}
                     {operator}   {operator_password}

Send a usage event:

curl -sS {url}/gateway/v1/events \\
  -H 'Authorization: Bearer {token}' \\
  -H 'Content-Type: application/json' \\
  -d '{{"events": [{{"request_id": "demo-'"$(date +%s)"'", "key_id": "{live_key_id}", "model": "codex-mini",
       "occurred_at": "'"$(date -u +%Y-%m-%dT%H:%M:%SZ)"'", "usage": {{"prompt_tokens": 2006, "completion_tokens": 300,
       "total_tokens": 2306, "prompt_tokens_details": {{"cached_tokens": 1920}},
       "completion_tokens_details": {{"reasoning_tokens": 192}}}}}}]}}'
"""


@dataclass(frozen=True, slots=True)
class Demo:
    """Everything that is shown once."""

    workspace_id: str
    admin_key: str
    live_key: str
    live_key_id: str
    token: str
    owner_password: str
    operator_password: str

    def text(self, url: str) -> str:
        """For a person to read and copy from; `url` is where the product answers."""
        return TEXT.format(
            url=url.rstrip("/"),
            console=CONSOLE,
            owner=OWNER,
            operator=OPERATOR,
            workspace_id=self.workspace_id,
            admin_key=self.admin_key,
            live_key=self.live_key,
            live_key_id=self.live_key_id,
            token=self.token,
            owner_password=self.owner_password,
            operator_password=self.operator_password,
        )


@transaction.atomic
def create_demo(now: datetime) -> Demo | None:
    """The demo of a first start; None, and nothing done, when there is any workspace. Of two at once one makes it."""
    lock(AdvisoryLock.DEMO)
    if Workspace.objects.exists():
        return None
    workspace = issue.create_workspace("Demo", OWNER, ACTOR, now)
    _, admin_key = issue.create_key(workspace, APIKey.Kind.ADMIN, "Demo admin", ACTOR, now)
    key, live_key = issue.create_key(workspace, APIKey.Kind.LIVE, "Demo live", ACTOR, now)
    _, token = issue.create_gateway("Demo gateway", ACTOR, now)
    members.add_member(workspace, OWNER, Membership.Role.OWNER, ACTOR, now)
    owner_password = _new_password(User.objects.get(email=OWNER))
    return Demo(
        workspace_id=workspace.public_id,
        admin_key=admin_key,
        live_key=live_key,
        live_key_id=key.public_id,
        token=token,
        owner_password=owner_password,
        operator_password=_new_password(_operator(now)),
    )


def _operator(now: datetime) -> User:
    """The demo's operator. One left from before keeps its account and gets a new password."""
    operator, _ = User.objects.update_or_create(
        email=OPERATOR, defaults={"is_staff": True, "is_superuser": True, "is_active": True}
    )
    audit.record(ACTOR, "operator.created", OPERATOR, now=now)
    return operator


def _new_password(user: User) -> str:
    password = "".join(randomness.choice(ALPHABET) for _ in range(PASSWORD_LENGTH))
    user.set_password(password)
    user.save(update_fields=["password"])
    return password
