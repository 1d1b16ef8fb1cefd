"""Pages and gateways are apart: what happens to one does not reach the other."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

from omixa_billing.embedded.sockets import socket_root
from tests.front.callers import ask, head, many
from tests.front.conftest import Live
from tests.front.everyday import gateways_are_answered
from tests.front.usage import wait_until


def test_while_all_page_threads_are_busy_gateways_and_probes_are_answered(live: Live) -> None:
    with live.instance.frozen("pages"), many(live.port, 60, lambda _: head("GET", "/accounts/login/")):
        gateways_are_answered(live)
    wait_until(lambda: ask(live.port, "GET", "/accounts/login/").status == 200)


def test_without_page_processes_gateways_are_answered_and_everybody_else_hears_when_to_try_again(live: Live) -> None:
    with live.instance.unsupervised():
        live.instance.kill("pages")
        gateways_are_answered(live)
        with ThreadPoolExecutor() as at_once:
            program, person = at_once.map(lambda path: ask(live.port, "GET", path), ("/api/v1/models", "/accounts/login/"))
    assert (program.status, program.error["code"], program.headers["retry-after"]) == (503, "pages_unavailable", "5")
    assert (person.status, person.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert b"try again" in person.body
    wait_until(lambda: ask(live.port, "GET", "/accounts/login/").status == 200)


def nobody_listens(live: Live) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(socket_root(live.instance.home) / "pages.sock")) != 0


def test_who_asks_while_pages_start_waits_for_them(live: Live) -> None:
    with ThreadPoolExecutor() as at_once:
        with live.instance.unsupervised():
            live.instance.kill("pages")
            wait_until(lambda: nobody_listens(live))
            early = at_once.submit(ask, live.port, "GET", "/accounts/login/")
        assert early.result().status == 200


def test_pages_learn_the_address_of_the_connection_and_not_what_a_client_says_it_is(live: Live) -> None:
    for name in ("X-Omixa-Front-Peer", "X_Omixa_Front_Peer"):
        headers = {"Authorization": f"Bearer {live.admin_key}", "Content-Type": "application/json", name: "203.0.113.9"}
        made = ask(live.port, "POST", "/api/v1/keys", b'{"name": "k", "kind": "live"}', **headers)
        assert made.status == 201
        trail = "SELECT host(ip_address) FROM workspaces_auditentry WHERE target = %s"
        assert live.instance.query(trail, json.loads(made.body)["id"]) == [("127.0.0.1",)]


def test_every_process_counts_requests(live: Live) -> None:
    ask(live.port, "GET", "/gateway/v1/batches/bat_nothing", Authorization=f"Bearer {live.token}")
    ask(live.port, "GET", "/api/v1/models")
    metrics = ask(live.port, "GET", "/metrics", Authorization="Bearer a-token-for-metrics").body.decode()
    counted = [line for line in metrics.splitlines() if line.startswith("django_http_requests_total_by_view_transport_method")]
    views = {view for view in ("gateway_batch", "models") if any(f'view="{view}"' in line for line in counted)}
    assert views == {"gateway_batch", "models"}
