"""A session cookie that this product never gave out is no session, whatever bytes it has."""

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from tests.kit.people import PASSWORD, a_member
from workspaces.models import Workspace


@pytest.mark.parametrize(
    "cookie",
    ['"' + r"\000" * 10 + '"', "a" * 31 + '"' + r"\000" + '"', '"' + r"\303\251" * 10 + '"', "A" * 5_000, "x", '"'],
)
def test_a_cookie_that_could_not_be_ours_is_nobodys(db: None, cookie: str) -> None:
    client = Client(headers={"cookie": f"sessionid={cookie}"})
    assert client.get("/").status_code == Client().get("/").status_code
    assert client.get("/api/v1/usage").json()["error"]["type"] == "authentication_error"
    assert not Session.objects.exists()


def test_a_member_who_signs_in_with_such_a_cookie_gets_a_good_one(acme: Workspace) -> None:
    member = a_member(acme, "owner")
    client = Client()
    client.cookies["sessionid"] = "\x00" * 10
    client.post("/accounts/login/", {"login": member.user.email, "password": PASSWORD})
    [session] = Session.objects.all()
    assert client.cookies["sessionid"].value == session.session_key
    assert client.get("/api/v1/invoices").status_code == 200
