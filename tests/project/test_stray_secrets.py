"""A real key, sent to every address in every position, is afterwards in no answer, no line of a log and no table."""

import io
import json
import logging
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from structlog.stdlib import ProcessorFormatter

from omixa_billing.http.addresses import API
from omixa_billing.stray_secrets import RedactingReporter, redacted_query
from tests.kit.depth import some
from tests.kit.factories import make_gateway, make_workspace
from workspaces import audit
from workspaces.errors import InvalidName
from workspaces.keys import issue, secrets
from workspaces.management.commands.create_gateway import Command as CreateGateway
from workspaces.models import APIKey, AuditEntry, Gateway, Membership, User, Workspace
from workspaces.redaction import holds_secret, redact, redact_line, redact_value

GONE = "omx_admin_[removed]"
POSITIONS = 2  # of a request, at each address by each caller. With DEEP all are tried
COLUMNS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND (data_type IN ('text', 'character varying', 'jsonb', 'json', 'bytea', 'ARRAY'))
ORDER BY 1, 2
"""


def addresses(resolver: Any = None, before: str = "/") -> Iterator[str]:
    """Every address there is, with the key wherever a part of it may be chosen."""
    for each in (resolver or get_resolver()).url_patterns:
        route = before + str(each.pattern).lstrip("^").rstrip("$").replace(r"\Z", "")
        if isinstance(each, URLResolver):
            yield from addresses(each, route)
        elif isinstance(each, URLPattern):
            yield re.sub(r"<[^<>]+>|\(\?P<\w+>(?:[^()]|\([^()]*\))*\)\)?", "{}", route)


@pytest.fixture
def log_lines() -> Iterator[io.StringIO]:
    """What the processes' handler writes, in its own format."""
    [formatter] = [each.formatter for each in logging.getLogger().handlers if isinstance(each.formatter, ProcessorFormatter)]
    handler = logging.StreamHandler(written := io.StringIO())
    handler.setFormatter(formatter)
    logging.getLogger().addHandler(handler)
    yield written
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def key(db: None) -> str:
    """A live secret of the workspace's: it works."""
    return issue.create_key(make_workspace(), APIKey.Kind.ADMIN, "Admin", "the tests", timezone.now())[1]


@pytest.fixture
def callers(key: str) -> list[tuple[Client, dict[str, str]]]:
    """Signed in as owner and operator at once; by the key itself, as a bearer and as Anthropic has it; and a gateway."""
    person = User.objects.create_user("both@acme.example", "a long password", is_staff=True, is_superuser=True)
    Membership.objects.create(workspace=Workspace.objects.get(), user=person, role="owner")
    signed_in = Client(raise_request_exception=False)
    signed_in.force_login(person)
    _, token = issue.create_gateway("edge", "the tests", timezone.now())
    plain = Client(raise_request_exception=False)
    theirs = {"X-Api-Key": key, "anthropic-version": "2023-06-01"}
    return [
        (signed_in, {}),
        (plain, {"Authorization": f"Bearer {key}"}),
        (plain, {"Authorization": f"Bearer {token}"}),
        (plain, theirs),
    ]


def requests_with(key: str, address: str) -> list[tuple[str, dict[str, Any]]]:
    """Every position in which a request to this address can carry it: how, and with what. Most pairs have one that reads."""
    path, plain = address.replace("{}", key), address.replace("{}", "1")
    escaped = key.replace("_", "%5f")
    query = f"q={key}&{key}=1&start={escaped}&cursor={key[:5]}%6{ord(key[5]) & 15:x}{key[6:]}"
    headers = {"X-Note": key, "Referer": f"http://testserver/?{key}", "User-Agent": key}
    body = {"name": key, "reason": f"see {key}", "email": key, "events": [{"request_id": key, key: key}]}
    as_json = {"content_type": "application/json"}
    return [
        ("get", {"path": path}),
        ("post", {"path": plain, "data": json.dumps({key: 1}), **as_json}),
        ("patch", {"path": path, "data": json.dumps({"name": key}), **as_json}),
        ("get", {"path": f"{plain}?{query}"}),
        ("post", {"path": plain, "data": json.dumps(body), **as_json}),
        ("post", {"path": plain, "data": {"name": key, "q": key, "next": key, key: "1"}}),
        ("get", {"path": plain, "headers": headers}),
        ("post", {"path": plain, "data": {"file": SimpleUploadedFile(f"{key}.txt", b"x")}}),
    ]


def rows_with(key: str) -> list[str]:
    """Columns in which the key stands. In two halves, since statements do not let it through either."""
    with connection.cursor() as cursor:
        cursor.execute(COLUMNS)
        found = []
        for table, column in cursor.fetchall():
            cursor.execute(
                f'SELECT count(*) FROM "{table}" WHERE position(%s || %s in "{column}"::text) > 0'
                f" OR position(encode((%s || %s)::bytea, 'hex') in \"{column}\"::text) > 0",
                [key[:20], key[20:]] * 2,
            )
            found += [f"{table}.{column}"] * cursor.fetchone()[0]
        return found


@pytest.mark.django_db
def test_a_key_sent_anywhere_is_afterwards_nowhere(
    key: str, callers: list[tuple[Client, dict[str, str]]], log_lines: io.StringIO
) -> None:
    every = sorted(set(addresses()))
    assert len(every) > 150
    answered: dict[int, int] = {}
    person, pages, turn = User.objects.get(), 0, count(step=POSITIONS)
    for address in every:
        callers[0][0].force_login(person)  # again for each: some of what is sent ends the session
        for client, credential in callers if address.startswith((*API, "/gateway/")) else callers[:1]:
            for method, sent in some(requests_with(key, address), next(turn), usual=POSITIONS):
                headers = sent.pop("headers", {}) | credential
                client.cookies["note"] = key
                answer = getattr(client, method)(**sent, headers=headers)
                content = b"".join(answer.streaming_content) if answer.streaming else answer.content
                said = content.decode("utf-8", "replace") + str(answer.headers) + str(answer.cookies.output())
                assert key not in said.replace("%5F", "_").replace("%5f", "_"), (method, address, answer.status_code)
                answered[answer.status_code] = answered.get(answer.status_code, 0) + 1
                pages += client is callers[0][0] and (method, answer.status_code) == ("get", 200)
    assert (answered[200] > 60, pages > 60) == (True, True)
    assert 500 not in answered, answered
    assert '"level"' in log_lines.getvalue()
    assert key not in log_lines.getvalue()
    assert rows_with(key) == []
    assert rows_with(GONE)


@pytest.mark.django_db
def test_a_name_with_a_key_in_it_is_refused_by_forms_api_and_commands(key: str, callers: Any) -> None:
    (signed_in, _), (plain, as_admin), *_ = callers
    page = signed_in.post("/admin/workspaces/gateway/add/", {"name": f"edge {key}"})
    assert (page.status_code, "Your form holds a whole key" in page.content.decode()) == (400, True)
    body = json.dumps({"name": f"server {key}", "kind": "live"})
    refused = plain.post("/api/v1/keys", body, content_type="application/json", headers=as_admin)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "secret_in_body")
    with pytest.raises(CommandError, match="The name contains a whole omx_ key or token"):
        CreateGateway().handle(name=key, workspace=[], may_correct_all=False)
    with pytest.raises(InvalidName):
        issue.create_gateway(key, "the tests", make_workspace("Other").created_at)
    assert list(Gateway.objects.values_list("name", flat=True)) == ["edge"]


@pytest.mark.django_db
def test_no_statement_stores_a_key_whatever_leads_to_it(key: str) -> None:
    gateway = make_gateway(f"by the ORM {key}")
    audit.record(key, "gateway.renamed", key, now=gateway.created_at, note=[{"deep": f"in {key}"}], x=1)
    Gateway.objects.bulk_create([Gateway(name=f"one {key}"), Gateway(name="two")])
    assert sorted(Gateway.objects.values_list("name", flat=True)) == [f"by the ORM {GONE}", f"one {GONE}", "two"]
    entry = AuditEntry.objects.latest("id")
    assert (entry.actor, entry.target, entry.detail) == (GONE, GONE, {"note": [{"deep": f"in {GONE}"}], "x": 1})
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::bytea, %s::text[]", [key.encode(), [key, "b"]])
        stored, listed = cursor.fetchone()
        assert (bytes(stored), listed) == (GONE.encode(), [GONE, "b"])


@pytest.mark.parametrize("kind", list(secrets.Kind))
def test_every_kind_is_known_by_its_form_also_with_escaped_underscores(kind: str) -> None:
    secret = secrets.new_secret(kind)
    for written in (secret, secret.replace("_", "%5F"), secret.replace("_", "%5f")):
        assert redact(f"a {written}, b") == f"a omx_{kind}_[removed], b"
    assert redact(f"{secret}{secret}") == f"omx_{kind}_[removed]" * 2


@pytest.mark.parametrize("text", ["omx_live_4fTq", "omx_live_ is what keys begin with", "key_0123456789", "omx_[removed]", ""])
def test_what_may_be_shown_of_a_key_stays(text: str) -> None:
    assert redact(text) == text
    assert redact_value([text]) == [text]


def test_what_holds_no_secret_stays_the_very_same_object() -> None:
    for value in ([1, "a", {"b": [None]}], b"bytes", "text", 7, {"a": b"b"}):
        assert redact_value(value) is value


def test_a_query_is_read_as_the_server_reads_it() -> None:
    secret = secrets.new_secret("live")
    hidden = "".join(f"%{ord(letter):02X}" for letter in secret)
    assert redacted_query("a=1&b=%20x") == "a=1&b=%20x"
    assert redacted_query(f"a={secret}&b=%20x") == "a=omx_live_[removed]&b=%20x"
    assert redacted_query(f"a={hidden}&{hidden}=") == "a=omx_live_%5Bremoved%5D&omx_live_%5Bremoved%5D="


def test_a_line_of_a_log_opens_no_account_and_no_server() -> None:
    line = redact_line('{"event": "Not Found: /accounts/password/reset/key/1-c9x-abc/ at postgres://omixa:pa55@db/omixa"}')
    assert line == '{"event": "Not Found: /accounts/password/reset/key/[removed]/ at postgres://omixa:[removed]@db/omixa"}'


def test_a_line_of_a_log_opens_no_workspace() -> None:
    line = redact_line(
        '{"event": "at https://billing.example.com/invitations/c9x-Secret_4fTq?a=1 from \\"/invitations/c9x\\""}'
    )
    assert line == '{"event": "at https://billing.example.com/invitations/[removed] from \\"/invitations/[removed]\\""}'
    by_id = '{"event": "Not Found: /settings/invitations/inv_4fTq/send"}'
    assert redact_line(by_id) == by_id


def test_a_line_of_the_log_has_nothing_that_signs_webhooks() -> None:
    line = redact_line('{"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw+/=="}')
    assert line == '{"secret": "whsec_[removed]"}'
    assert redact_line("whsec_... is a secret of webhooks") == "whsec_... is a secret of webhooks"


def test_a_traceback_in_the_log_or_on_the_page_of_debug_shows_no_key(log_lines: io.StringIO, rf: Any) -> None:
    secret = secrets.new_secret("live")
    try:
        raise ValueError(f"cannot use {secret}")
    except ValueError as error:
        logging.getLogger("celery.app.trace").exception("Task failed: args=%r", [secret])
        request = rf.get("/", headers={"Authorization": f"Bearer {secret}"})
        reporter = RedactingReporter(request, type(error), error, error.__traceback__)
        shown = reporter.get_traceback_html() + reporter.get_traceback_text()
    written = log_lines.getvalue()
    assert "cannot use omx_live_[removed]" in written
    assert "cannot use omx_live_[removed]" in shown
    assert not holds_secret(written + shown)
