"""A month of events as gateways send them: every shape of usage, edges of time and price, and what must be refused."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from tests.scenarios.facts import Happened

START = datetime(2026, 9, 1, tzinfo=UTC)
END = datetime(2026, 10, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
PRICE_CHANGE = datetime(2026, 9, 15, 12, 30, tzinfo=UTC)
UNKNOWN_MODEL = "nimbus-1-mini"
THRESHOLD = 200_000
MODELS = {"codex-mini": 40, "o1-preview": 20, "computer-use-preview": 12, "grok-3": 25, UNKNOWN_MODEL: 3}
DEFAULT_TIER_NAMES = (None, "", "auto", "standard", "default")
ZONES = (UTC, timezone(timedelta(hours=2)), timezone(timedelta(hours=-7)), timezone(timedelta(hours=5, minutes=30)))


@dataclass(frozen=True)
class Sent:
    """An event on the wire. `happened` is None where it must be refused, with this code."""

    body: dict[str, Any]
    happened: Happened | None
    code: str | None = None


class Traffic:
    """Generates from one seed; the same seed, the same month. `keys` are each tenant's key ids."""

    def __init__(self, keys: list[list[str]], only_failures: set[int], seed: int) -> None:
        self.keys = keys
        self.only_failures = only_failures
        self.dice = random.Random(seed)  # noqa: S311
        self.made = 0

    def events(self, count: int) -> Iterator[Sent]:
        """First sendings; failed attempts are followed by the next one under the same request id."""
        while count:
            happened = self.happened()
            yield self.sent(happened)
            count -= 1
            if count and happened.status == "failed" and happened.tenant not in self.only_failures:
                yield self.sent(replace(self.happened(happened.tenant), request_id=happened.request_id, attempt=1))
                count -= 1

    def edges(self) -> Iterator[Sent]:
        """The month's ends, the instant of a price change and the threshold, each to the last unit."""
        for at in (START - INSTANT, START, END - INSTANT, END):
            yield self.sent(self.billed(0, "codex-mini", at, 2_006, 300))
        for at in (PRICE_CHANGE - INSTANT, PRICE_CHANGE, PRICE_CHANGE + INSTANT):
            for tenant in (1, 2):
                yield self.sent(self.billed(tenant, "o1-preview", at, 1_000, 100))
        for tenant in (4, 5):
            for tokens in (THRESHOLD, THRESHOLD + 1):
                yield self.sent(self.billed(tenant, "grok-3", START + timedelta(days=20), tokens, 1_000))
        for name in ("é/ü?#%", "请求 1", "x" * 465, "Case", "case", "CASE"):
            yield self.sent(replace(self.billed(6, "codex-mini", START + timedelta(days=3), 10, 1), request_id=name))

    def billed(self, tenant: int, model: str, at: datetime, input: int, output: int) -> Happened:
        return Happened(
            self.request_id(),
            0,
            tenant,
            self.keys[tenant][0],
            model,
            "default",
            "openai",
            "succeeded",
            at,
            input,
            output=output,
        )

    def happened(self, tenant: int | None = None) -> Happened:
        dice = self.dice
        tenant = dice.randrange(len(self.keys)) if tenant is None else tenant
        model = dice.choices(list(MODELS), list(MODELS.values()))[0]
        status = "failed" if tenant in self.only_failures else dice.choices(("succeeded", "aborted", "failed"), (94, 3, 3))[0]
        event = Happened(
            request_id=self.request_id(),
            attempt=0,
            tenant=tenant,
            key_id=dice.choice(self.keys[tenant]),
            model=model,
            tier=self.tier(model),
            provider=dice.choice(("openai", "azure-openai", "xai", "")),
            status=status,
            at=START + timedelta(microseconds=dice.randrange((END - START) // INSTANT)),
        )
        return event if status == "failed" and dice.random() < 0.5 else replace(event, **self.tokens(model))

    def request_id(self) -> str:
        self.made += 1
        return f"req-{self.made:06}-{self.dice.getrandbits(40):010x}"

    def tier(self, model: str) -> str:
        likely = {"codex-mini": 0.05, "o1-preview": 0.01}.get(model, 0)
        return "priority" if self.dice.random() < likely else "default"

    def tokens(self, model: str) -> dict[str, int]:
        dice = self.dice
        input, output = int(dice.lognormvariate(7, 1.4)), int(dice.lognormvariate(5.5, 1.1))
        if model == "grok-3" and dice.random() < 0.05:
            input = dice.randrange(150_000, 400_000)
        cached = dice.randrange(input + 1) if dice.random() < 0.4 else 0
        cache_write = dice.randrange(input - cached + 1) if dice.random() < 0.1 else 0
        reasoning = dice.randrange(output + 1) if dice.random() < 0.4 else 0
        return {
            "uncached": input - cached - cache_write,
            "cached": cached,
            "cache_write": cache_write,
            "output": output,
            "reasoning": reasoning,
        }

    def sent(self, happened: Happened) -> Sent:
        """On the wire, in one of the shapes that mean this."""
        dice = self.dice
        body: dict[str, Any] = {
            "request_id": happened.request_id,
            "key_id": happened.key_id,
            "model": happened.model,
            "occurred_at": happened.at.astimezone(dice.choice(ZONES)).isoformat(),
            "stream": dice.choice((True, False, None)),
            "latency_ms": dice.randrange(60_000),
        }
        if happened.attempt or dice.random() < 0.2:
            body["attempt"] = happened.attempt
        if happened.status != "succeeded" or dice.random() < 0.2:
            body["status"] = happened.status
        if happened.provider or dice.random() < 0.5:
            body["provider"] = happened.provider or None
        tier = dice.choice(DEFAULT_TIER_NAMES) if happened.tier == "default" else happened.tier
        if tier is not None or dice.random() < 0.5:
            body["service_tier"] = tier
        if happened.status == "aborted":
            body["usage_source"] = "estimated"
        if happened.status != "failed" or happened.input or happened.output:
            body |= self.usage(happened)
        return Sent(body, happened)

    def usage(self, happened: Happened) -> dict[str, Any]:
        """`usage`, and sometimes its dialect: details that are zero may be left out, null, empty or said."""
        dialect, input, output = self.dice.choice(
            (("openai.chat", "prompt", "completion"), ("openai.responses", "input", "output"))
        )
        usage: dict[str, Any] = {f"{input}_tokens": happened.input, f"{output}_tokens": happened.output}
        if self.dice.random() < 0.8:
            usage["total_tokens"] = happened.input + happened.output
        usage |= self.details(f"{input}_tokens_details", cached_tokens=happened.cached, cache_write_tokens=happened.cache_write)
        usage |= self.details(f"{output}_tokens_details", reasoning_tokens=happened.reasoning)
        return {"usage": usage, "dialect": dialect} if self.dice.random() < 0.3 else {"usage": usage}

    def details(self, name: str, **tokens: int) -> dict[str, Any]:
        dice = self.dice
        if not any(tokens.values()) and dice.random() < 0.5:
            return dice.choice(({}, {name: None}, {name: {}}))
        said = {each: value or dice.choice((0, None)) for each, value in tokens.items() if value or dice.random() < 0.5}
        return {name: said}

    def refused(self, count: int) -> Iterator[Sent]:
        """Events that must not count, with the code that says why."""
        for number in range(count):
            body = json.loads(json.dumps(self.sent(self.billed(number % 18, "codex-mini", START, 100, 10)).body))
            body["usage"] = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
            body.pop("dialect", None)
            change, code = REFUSALS[number % len(REFUSALS)]
            body["usage"] |= change.get("usage", {})
            yield Sent(body | {name: value for name, value in change.items() if name != "usage"}, None, code)

    def again(self, sent: Sent, moved: timedelta = timedelta(0)) -> Sent:
        """The same event once more, perhaps with the time of the retry."""
        assert sent.happened is not None
        return Sent(sent.body | {"occurred_at": (sent.happened.at + moved).isoformat()}, sent.happened)

    def contradicted(self, sent: Sent) -> Sent:
        """Another event under its name."""
        return Sent(sent.body | {"latency_ms": sent.body["latency_ms"] + 1}, sent.happened)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"usage": {"prompt_tokens": -1}}, "invalid_event"),
    ({"usage": {"prompt_tokens": 1.5}}, "invalid_event"),
    ({"usage": {"prompt_tokens": "100"}}, "invalid_event"),
    ({"usage": {"completion_tokens": True}}, "invalid_event"),
    ({"usage": {"prompt_tokens": 2**31}}, "invalid_event"),
    ({"usage": {"total_tokens": 111}}, "usage_inconsistent"),
    ({"usage": {"prompt_tokens_details": {"cached_tokens": 101}}}, "usage_inconsistent"),
    ({"usage": {"completion_tokens_details": {"reasoning_tokens": 11}}}, "usage_inconsistent"),
    ({"usage": {"prompt_tokens": None}}, "usage_missing"),
    ({"key_id": "key_nobody"}, "unknown_key"),
    ({"occurred_at": "2026-09-10T10:00:00"}, "invalid_event"),
    ({"occurred_at": "2099-01-01T00:00:00Z"}, "occurred_at_in_the_future"),
    ({"occurred_at": "1970-01-01T00:00:00Z"}, "occurred_at_too_old"),
    ({"attempt": -1}, "invalid_event"),
    ({"metadata": {"text": "x" * 5_000}}, "metadata_too_large"),
]
