"""A small Stripe of our own over HTTP: what its documentation says of the calls we make, idempotency replay included.

It records every request, and can fail at any single one: die before it does the thing, do it and die before it answers,
answer 500 (and replay that 500 under the same key, as Stripe does) or answer too late.
"""

import hashlib
import hmac
import itertools
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

WEBHOOK_SECRET = "whsec_tests"
GOOD, DECLINED, NEEDS_OWNER, BANK = "pm_good", "pm_declined", "pm_needs_owner", "pm_bank"
# Its owner has to act; and Stripe failing between making the payment and confirming it.
UNCONFIRMED, HALF_WAY = "pm_unconfirmed", "pm_half_way"
WAYS_TO_FAIL = ("die_before", "die_after", "error_500_before", "error_500_after", "too_late")
TOO_LATE_SECONDS = 1.6

NO_FUNDS = "Your card has insufficient funds."

Params = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """A request as it came."""

    method: str
    path: str
    params: Params
    key: str
    version: str


class Refused(Exception):
    def __init__(self, status: int, **error: Any) -> None:
        super().__init__(error.get("message"))
        self.status, self.error = status, error


@dataclass
class StripeServer:
    """`objects` by id. Everything happens under one lock, as in a database."""

    port: int = 0
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    requests: list[Recorded] = field(default_factory=list)
    answers: dict[str, tuple[str, int, Any]] = field(default_factory=dict)
    # The number of a request, from 1, and how it fails.
    faults: dict[int, str] = field(default_factory=dict)
    refusals: list[tuple[Callable[[str, str, Params], bool], int, Params]] = field(default_factory=list)
    search_sees_new: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)
    _ids: Any = field(default_factory=lambda: itertools.count(1))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- What a test does to it

    def fail_at(self, request: int, how: str) -> None:
        """The request with this number, counted from now on from 1."""
        assert how in WAYS_TO_FAIL
        self.faults[len(self.requests) + request] = how

    def forget(self) -> None:
        """As if it had never been asked for anything."""
        for kept in (self.objects, self.requests, self.answers, self.faults, self.refusals):
            kept.clear()

    def prune_keys(self) -> None:
        """As after a day."""
        self.answers.clear()

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [each for each in self.objects.values() if each["object"] == kind]

    def succeeded(self) -> list[dict[str, Any]]:
        return [intent for intent in self.of("payment_intent") if intent["status"] == "succeeded"]

    def save_method(self, customer: str, method: str = GOOD, kind: str = "card") -> str:
        """A payment method of the customer that behaves as the named one."""
        detail = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2030}
        if kind != "card":
            detail = {"bank_name": "Test Bank", "last4": "6789"}
        made = self.make("payment_method", f"{method}_", customer=customer, type=kind, **{kind: detail})
        return str(made["id"])

    def complete(self, session_id: str, method: str = GOOD) -> None:
        """The customer fills in the page."""
        session = self.objects[session_id]
        assert session["status"] == "open"
        saved = self.save_method(session["customer"], method)
        if session["mode"] == "setup":
            setup = self.make("setup_intent", "seti_", status="succeeded", payment_method=saved)
            session.update(status="complete", setup_intent=setup["id"])
            return
        intent = self.make(
            "payment_intent",
            "pi_",
            amount=session["amount_total"],
            currency=session["currency"],
            customer=session["customer"],
            metadata=session["_intent_metadata"],
            payment_method=saved,
            latest_charge=None,
            last_payment_error=None,
            _of_page=True,
        )
        self.pay(intent, saved)
        session.update(payment_intent=intent["id"])
        if intent["status"] in ("succeeded", "processing"):
            session.update(status="complete", url=None)

    def settle(self, intent_id: str, succeeded: bool = True) -> None:
        """A bank debit comes through, or does not."""
        intent = self.objects[intent_id]
        assert intent["status"] == "processing"
        if succeeded:
            intent.update(status="succeeded", amount_received=intent["amount"])
        else:
            error = {"code": "debit_not_authorized", "message": "The bank refused the debit."}
            intent.update(status="requires_payment_method", last_payment_error=error)

    def dispute(self, intent_id: str, status: str = "needs_response") -> dict[str, Any]:
        intent = self.objects[intent_id]
        return self.make(
            "dispute",
            "dp_",
            payment_intent=intent_id,
            amount=intent["amount"],
            currency="usd",
            reason="fraudulent",
            status=status,
        )

    def event(self, kind: str, about: dict[str, Any]) -> dict[str, Any]:
        return self.make("event", "evt_", type=kind, data={"object": dict(about)}, api_version="2026-10-28.endive")

    @staticmethod
    def signed(event: dict[str, Any], secret: str = WEBHOOK_SECRET, at: int | None = None) -> tuple[bytes, str]:
        """The body and the `Stripe-Signature` of a delivery."""
        body = json.dumps(event).encode()
        moment = int(time.time()) if at is None else at
        mac = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        return body, f"t={moment},v1={mac}"

    def refuse(self, condition: Callable[[str, str, Params], bool], status: int, **error: Any) -> None:
        """From now on, whatever the condition is true of: method, path and parameters of a request."""
        self.refusals.append((condition, status, {"type": "invalid_request_error"} | error))

    # --- What it does

    def make(self, kind: str, prefix: str, **attributes: Any) -> dict[str, Any]:
        made = {"id": f"{prefix}{next(self._ids):06}", "object": kind, "created": int(time.time()), **attributes}
        made.setdefault("metadata", {})
        self.objects[made["id"]] = made
        return made

    def pay(self, intent: dict[str, Any], method: str) -> None:
        """What the bank says, by the method's name."""
        intent["amount_received"] = 0
        kind = "us_bank_account" if method.startswith(BANK) else "card"
        intent["latest_charge"] = self.make("charge", "ch_", payment_method_details={"type": kind})
        if method.startswith(DECLINED):
            error = {
                "code": "card_declined",
                "decline_code": "insufficient_funds",
                "message": "Your card has insufficient funds.",
            }
            intent.update(status="requires_payment_method", last_payment_error=error)
        elif method.startswith(NEEDS_OWNER):
            error = {"code": "authentication_required", "message": "Your card was declined. It requires authentication."}
            intent.update(status="requires_payment_method", last_payment_error=error)
        elif method.startswith(BANK):
            intent.update(status="processing")
        elif method.startswith(UNCONFIRMED):
            intent.update(status="requires_action")
        elif method.startswith(HALF_WAY):
            intent.update(status="requires_confirmation")
        else:
            intent.update(status="succeeded", amount_received=intent["amount"])

    def answer(self, method: str, path: str, params: Params) -> Any:
        for condition, status, error in self.refusals:
            if condition(method, path, params):
                raise Refused(status, **error)
        for verb, pattern, act in ROUTES:
            if verb == method and (found := re.fullmatch(pattern, path)):
                return act(self, params, *found.groups())
        raise Refused(404, type="invalid_request_error", message=f"Unrecognized request URL ({method}: {path}).")

    def get(self, object_id: str, param: str = "id") -> dict[str, Any]:
        if object_id not in self.objects:
            message = f"No such {param}: '{object_id}'"
            raise Refused(404, type="invalid_request_error", code="resource_missing", param=param, message=message)
        return self.objects[object_id]


def create_customer(server: StripeServer, params: Params) -> Any:
    return server.make("customer", "cus_", **params)


def update(server: StripeServer, params: Params, object_id: str) -> Any:
    server.get(object_id).update(params)
    return server.get(object_id)


def retrieve(server: StripeServer, params: Params, object_id: str) -> Any:
    return server.get(object_id)


def create_session(server: StripeServer, params: Params) -> Any:
    server.get(params["customer"], "customer")
    amount = sum(int(item["price_data"]["unit_amount"]) for item in params.get("line_items", {}).values())
    made = server.make(
        "checkout.session",
        "cs_",
        mode=params["mode"],
        customer=params["customer"],
        status="open",
        payment_intent=None,
        setup_intent=None,
        amount_total=amount,
        currency="usd",
        metadata=params.get("metadata", {}),
        _intent_metadata=params.get("payment_intent_data", {}).get("metadata", {}),
    )
    made["url"] = f"{server.url}/pay/{made['id']}"
    return made


def expire_session(server: StripeServer, params: Params, session_id: str) -> Any:
    session = server.get(session_id)
    if session["status"] != "open":
        raise Refused(
            400, type="invalid_request_error", message="Only Checkout Sessions with a status in [open] can be expired."
        )
    session.update(status="expired", url=None)
    return session


def create_intent(server: StripeServer, params: Params) -> Any:
    server.get(params["customer"], "customer")
    method = server.get(params["payment_method"], "payment_method")
    if method["customer"] != params["customer"]:
        message = "The payment method must be attached to the customer."
        raise Refused(400, type="invalid_request_error", code="resource_missing", param="payment_method", message=message)
    intent = server.make(
        "payment_intent",
        "pi_",
        amount=int(params["amount"]),
        currency=params["currency"],
        customer=params["customer"],
        metadata=params.get("metadata", {}),
        payment_method=method["id"],
        last_payment_error=None,
    )
    server.pay(intent, method["id"])
    if intent["last_payment_error"]:
        raise Refused(402, type="card_error", payment_intent=intent, **intent["last_payment_error"])
    return intent


def cancel_intent(server: StripeServer, params: Params, intent_id: str) -> Any:
    intent = server.get(intent_id)
    if intent["status"] in ("succeeded", "canceled", "processing") or intent.get("_of_page"):
        raise Refused(
            400, type="invalid_request_error", code="payment_intent_unexpected_state", message="It cannot be canceled."
        )
    intent["status"] = "canceled"
    return intent


def search(server: StripeServer, params: Params, kind: str) -> Any:
    name, value = re.fullmatch(r"metadata\['(\w+)'\]:'(.+)'", params["query"]).groups()  # type: ignore[union-attr]
    wanted = kind.removesuffix("s")
    found = [each for each in server.of(wanted) if each["metadata"].get(name) == value] if server.search_sees_new else []
    return {"object": "search_result", "data": found, "has_more": False, "url": f"/v1/{kind}/search", "next_page": None}


def listing(server: StripeServer, params: Params, kind: str) -> Any:
    """Newest first, a page at a time, as Stripe lists: since a second, of a customer or of a payment."""
    since = int(params.get("created", {}).get("gte", 0))
    found = [each for each in server.of(kind.removesuffix("s")) if each["created"] >= since]
    for name in ("customer", "payment_intent"):
        found = [each for each in found if params.get(name) in (None, each.get(name))]
    found = found[::-1]
    if params.get("starting_after"):
        found = found[[each["id"] for each in found].index(params["starting_after"]) + 1 :]
    limit = int(params.get("limit", 10))
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": f"/v1/{kind}"}


def create_refund(server: StripeServer, params: Params) -> Any:
    intent = server.get(params["payment_intent"])
    amount = int(params["amount"])
    back = sum(
        each["amount"] for each in server.of("refund") if each["payment_intent"] == intent["id"] and each["status"] != "failed"
    )
    asked_back = [each["status"] for each in server.of("dispute") if each["payment_intent"] == intent["id"]]
    if {"needs_response", "under_review", "lost"} & set(asked_back):
        message = "This charge has been charged back; it cannot be refunded."
        raise Refused(400, type="invalid_request_error", code="charge_disputed", message=message)
    if intent["status"] != "succeeded" or amount > intent["amount"] - back:
        raise Refused(
            400,
            type="invalid_request_error",
            code="charge_already_refunded",
            message="Refund amount is greater than unrefunded amount.",
        )
    return server.make(
        "refund", "re_", payment_intent=intent["id"], amount=amount, status="succeeded", metadata=params.get("metadata", {})
    )


ROUTES: list[tuple[str, str, Callable[..., Any]]] = [
    ("POST", r"/v1/customers", create_customer),
    ("GET", r"/v1/customers/(cus_\w+)", retrieve),
    ("GET", r"/v1/(customers|payment_intents)/search", lambda server, params, kind: search(server, params, kind)),
    ("POST", r"/v1/customers/(\w+)", update),
    ("POST", r"/v1/checkout/sessions", create_session),
    ("POST", r"/v1/checkout/sessions/(\w+)/expire", expire_session),
    ("GET", r"/v1/checkout/sessions/(\w+)", retrieve),
    ("POST", r"/v1/payment_intents", create_intent),
    ("GET", r"/v1/(customers|payment_intents|refunds|disputes)", lambda server, params, kind: listing(server, params, kind)),
    ("POST", r"/v1/payment_intents/(\w+)/cancel", cancel_intent),
    ("POST", r"/v1/refunds", create_refund),
    ("GET", r"/v1/(?:customers|payment_intents|payment_methods|setup_intents|refunds|disputes|events)/(\w+)", retrieve),
]
