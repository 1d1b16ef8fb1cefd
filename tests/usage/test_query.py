from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from metering.catalogue.models import PriceVersion
from metering.errors import NotFound, RangeTooLong, TooManyRows
from metering.ingest.models import UsageEvent
from metering.usage import query
from metering.usage.filters import Filters
from metering.usage.query import GROUPS, UsageAnswer, UsageQuestion, usage, usage_of_all_workspaces
from metering.usage.spend import month_spend, spend_by_model
from omixa_billing.api.errors import InvalidParameter
from tests.kit.billing import at
from tests.kit.factories import GOLDEN_COST as GOLDEN
from tests.kit.factories import NOW, make_price
from tests.kit.tenants import Sender, Tenant, another_key, usage_of

pytestmark = pytest.mark.django_db
OCTOBER, NOVEMBER = at("10-01"), at("11-01")


def ask(tenant: Tenant, start: datetime = OCTOBER, end: datetime = NOVEMBER, **more: object) -> UsageAnswer:
    return usage(UsageQuestion(tenant.workspace, start, end, **more))  # type: ignore[arg-type]


def spans(answer: UsageAnswer) -> list[tuple[str, str, int]]:
    return [(f"{row.start:%m-%dT%H:%M}", f"{row.end:%m-%dT%H:%M}", row.requests) for row in answer.rows]


def test_the_golden_event_is_one_row_with_its_exact_cost(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-14T09:30"))
    [row] = ask(acme, group_by=("model", "status")).rows
    assert row.groups == {"model": "codex-mini", "status": "succeeded"}
    assert (row.start, row.end) == (OCTOBER, NOVEMBER)
    assert (row.requests, row.input_tokens, row.cached_input_tokens, row.cache_write_tokens) == (1, 2006, 1920, 0)
    assert (row.output_tokens, row.reasoning_tokens, row.unpriced_requests) == (300, 192, 0)
    assert (row.cost, row.currency) == (GOLDEN, "USD")


def test_no_usage_is_no_row_and_a_total_of_zero(acme: Tenant) -> None:
    answer = ask(acme, bucket="hour", group_by=("model",))
    assert answer.rows == []
    assert (answer.total.requests, answer.total.cost, answer.total.start) == (0, Decimal(0), OCTOBER)


def test_buckets_are_sparse_in_order_and_clipped_to_the_range(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-12T00:00"), at("10-12T10:14:59"), at("10-12T10:15"), at("10-13T23:59:59.999999"))
    send(acme.key, at("10-14T00:00"), at("10-14T08:29:59.999999"), at("10-14T08:30"))
    start, end = at("10-12T10:15"), at("10-14T08:30")
    assert spans(ask(acme, start, end, bucket="day")) == [
        ("10-12T10:15", "10-13T00:00", 1),
        ("10-13T00:00", "10-14T00:00", 1),
        ("10-14T00:00", "10-14T08:30", 2),
    ]
    assert spans(ask(acme, start, end, bucket="hour")) == [
        ("10-12T10:15", "10-12T11:00", 1),
        ("10-13T23:00", "10-14T00:00", 1),
        ("10-14T00:00", "10-14T01:00", 1),
        ("10-14T08:00", "10-14T08:30", 1),
    ]
    assert spans(ask(acme, start, end, bucket="month")) == [("10-12T10:15", "10-14T08:30", 4)]
    assert spans(ask(acme, start, end)) == [("10-12T10:15", "10-14T08:30", 4)]


def test_a_month_ends_where_the_next_begins(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("09-30T23:59:59.999999"), at("10-01T00:00"), at("10-14T23:59:59.999999"))
    assert spans(ask(acme, at("09-01"), NOVEMBER, bucket="month")) == [
        ("09-01T00:00", "10-01T00:00", 1),
        ("10-01T00:00", "11-01T00:00", 2),
    ]


def test_a_leap_day_is_a_day_of_its_february(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    then = datetime(2024, 3, 1, 12, tzinfo=UTC)
    instants = [datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), datetime(2024, 3, 1, tzinfo=UTC)]
    send.batch([send.event(acme.key, instant) for instant in instants], then)
    year = (datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC))
    days = ask(acme, *year, bucket="day").rows
    assert [(row.start.date().isoformat(), row.end.date().isoformat()) for row in days] == [
        ("2024-02-29", "2024-03-01"),
        ("2024-03-01", "2024-03-02"),
    ]
    assert [row.end.date().isoformat() for row in ask(acme, *year, bucket="month").rows] == ["2024-03-01", "2024-04-01"]


@pytest.fixture
def a_busy_week(acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion) -> list[UsageEvent]:
    """150 events of two keys, three models (one unpriced), all tiers and ends, at random instants of a week; rival's too."""
    random = Random(20261015)  # noqa: S311  # the same events every time
    second, _ = another_key(acme)
    events = []
    for _ in range(200):
        key = random.choice([acme.key, acme.key, second, rival.key])
        chosen = {
            "model": random.choice(["codex-mini", "codex-mini", "grok-3"]),
            "service_tier": random.choice([None, "priority"]),
            "provider": random.choice(["azure-openai", "azure-ai", None]),
            "status": random.choice(["succeeded", "succeeded", "aborted", "failed"]),
            "usage": usage_of(random.randrange(5000), random.randrange(5000)),
        }
        events.append(send.event(key, at("10-08T00:00") + random.random() * timedelta(days=7), **chosen))
    send.batch(events, NOW)
    return list(UsageEvent.objects.filter(workspace=acme.workspace))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("10-08T00:00", "10-15T00:00"),
        ("10-10T10:15", "10-10T13:20"),
        ("10-09T22:59:59.999999", "10-13T01:00:00.000001"),
        ("10-11T03:10", "10-11T03:50"),
        ("10-11T03:40", "10-11T04:20"),
        ("10-11T00:00", "10-12T00:00"),
    ],
)
@pytest.mark.parametrize("bucket", query.BUCKETS)
def test_every_cut_agrees_with_the_events_themselves(
    acme: Tenant, a_busy_week: list[UsageEvent], start: str, end: str, bucket: str
) -> None:
    within = [event for event in a_busy_week if at(start) <= event.occurred_at < at(end)]
    for group_by in ((), ("model",), ("service_tier", "status"), GROUPS):
        answer = ask(acme, at(start), at(end), bucket=bucket, group_by=group_by)
        assert answer.total.requests == sum(row.requests for row in answer.rows) == len(within)
        assert answer.total.input_tokens == sum(event.input_tokens for event in within)
        assert answer.total.output_tokens == sum(event.output_tokens for event in within)
        assert answer.total.cost == sum((event.cost or Decimal(0) for event in within), Decimal(0))
        assert answer.total.unpriced_requests == sum(event.cost is None for event in within)
        assert answer.rows == sorted(answer.rows, key=lambda row: row.position)
        assert len({row.position for row in answer.rows}) == len(answer.rows)


def test_days_and_hours_add_up_to_the_range(acme: Tenant, a_busy_week: list[UsageEvent]) -> None:
    totals = [ask(acme, bucket=bucket, group_by=GROUPS).total for bucket in query.BUCKETS]
    assert totals == [totals[0]] * 4
    assert totals[0].requests == len(a_busy_week)


def test_filters_let_through_what_they_name(acme: Tenant, a_busy_week: list[UsageEvent]) -> None:
    models = {event.pk: event.model.slug for event in UsageEvent.objects.select_related("model")}
    tiers = {event.pk: event.service_tier.name for event in UsageEvent.objects.select_related("service_tier")}

    def requests(**filters: tuple[str, ...]) -> int:
        return ask(acme, at("10-09T10:15"), at("10-13T13:20"), filters=Filters(**filters)).total.requests

    within = [event for event in a_busy_week if at("10-09T10:15") <= event.occurred_at < at("10-13T13:20")]
    assert requests(model=("grok-3",)) == sum(models[event.pk] == "grok-3" for event in within) > 0
    assert requests(model=("grok-3", "codex-mini", "never-heard-of")) == len(within)
    assert requests(model=("never-heard-of",)) == 0
    assert requests(service_tier=("priority",)) == sum(tiers[event.pk] == "priority" for event in within) > 0
    assert requests(status=("aborted", "failed")) == sum(event.status in (1, 2) for event in within) > 0
    assert requests(provider=("",)) > 0
    assert requests(provider=("nobody",)) == 0
    assert requests(key_id=(acme.key.public_id,)) == sum(event.key_id == acme.key.pk for event in within) > 0
    assert requests(model=("grok-3",), status=("failed",)) == sum(
        models[event.pk] == "grok-3" and event.status == 2 for event in within
    )


def test_unpriced_usage_is_counted_apart_and_a_failure_is_no_such_thing(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:30"), at("10-14T09:31"))
    send(acme.key, at("10-14T09:32"), status="failed")
    for start, end in ((OCTOBER, NOVEMBER), (at("10-14T09:00"), at("10-14T10:00")), (at("10-14T09:20"), at("10-14T09:40"))):
        total = ask(acme, start, end).total
        assert (total.requests, total.unpriced_requests, total.cost) == (3, 2, Decimal(0))


def test_another_workspaces_usage_is_nowhere(acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(rival.key, at("10-14T09:30"), at("10-15T11:59"))
    for start, end in ((OCTOBER, NOVEMBER), (at("10-14T09:15"), at("10-15T11:59:30"))):
        assert ask(acme, start, end, group_by=GROUPS).rows == []
    for key_id in (rival.key.public_id, "key_unknown"):
        with pytest.raises(NotFound):
            ask(acme, filters=Filters(key_id=(acme.key.public_id, key_id)))


def test_a_key_restricted_to_itself_sees_itself(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("10-14T09:30"))
    send(second, at("10-14T09:30"), at("10-14T09:40"))
    assert ask(acme, own_key=acme.key).total.cost == GOLDEN
    assert ask(acme, own_key=second, filters=Filters(key_id=(second.public_id,))).total.cost == 2 * GOLDEN
    with pytest.raises(NotFound):
        ask(acme, own_key=acme.key, filters=Filters(key_id=(second.public_id,)))


def test_an_answer_is_one_statement(acme: Tenant, a_busy_week: list[UsageEvent]) -> None:
    with CaptureQueriesContext(connection) as captured:
        ask(acme, at("10-09T10:15"), at("10-13T13:20"), bucket="day", group_by=GROUPS, filters=Filters(model=("grok-3",)))
    assert len(captured) == 1


def test_only_an_operators_question_reaches_every_workspace(
    acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion
) -> None:
    send(acme.key, at("10-14T09:30"))
    send(rival.key, at("10-14T09:30"), at("10-14T10:30"))
    everybody = UsageQuestion(None, OCTOBER, NOVEMBER, group_by=("workspace", "key_id"))
    assert {tuple(row.groups.values()): row.cost for row in usage_of_all_workspaces(everybody).rows} == {
        (acme.workspace.public_id, acme.key.public_id): GOLDEN,
        (rival.workspace.public_id, rival.key.public_id): 2 * GOLDEN,
    }
    with pytest.raises(ValueError, match="operators"):
        usage(everybody)
    with pytest.raises(ValueError, match="one workspace"):
        usage_of_all_workspaces(UsageQuestion(acme.workspace, OCTOBER, NOVEMBER))
    with pytest.raises(ValueError, match="full hour"):
        usage_of_all_workspaces(UsageQuestion(None, at("10-14T09:15"), NOVEMBER))
    with pytest.raises(InvalidParameter):
        ask(acme, group_by=("workspace",))


def test_a_question_that_asks_too_much_is_refused(
    acme: Tenant, send: Sender, codex_mini: PriceVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(acme.key, at("10-12T09:30"), at("10-13T09:30"), at("10-14T09:30"))
    monkeypatch.setattr(query, "MAX_ROWS", 3)
    assert len(ask(acme, bucket="day").rows) == 3
    monkeypatch.setattr(query, "MAX_ROWS", 2)
    with pytest.raises(TooManyRows):
        ask(acme, bucket="day")
    with pytest.raises(RangeTooLong):
        ask(acme, OCTOBER, OCTOBER + timedelta(days=400, hours=1), bucket="hour")
    assert ask(acme, OCTOBER, OCTOBER + timedelta(days=400), bucket="none").total.requests == 3
    with pytest.raises(InvalidParameter):
        ask(acme, OCTOBER, OCTOBER)


def test_the_months_spend_is_the_months_alone(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("09-30T23:59:59"), at("10-01T00:00"))
    send(second, at("10-14T09:30"))
    assert month_spend(acme.workspace, NOW) == 2 * GOLDEN
    assert month_spend(acme.workspace, NOW, second) == GOLDEN
    assert month_spend(acme.workspace, at("09-15")) == GOLDEN


def test_a_chart_has_every_day_and_the_small_models_together(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    for model in "abc":
        make_price(model)
    for model, day in (("a", "10-12"), ("b", "10-13"), ("b", "10-14"), ("c", "10-14")):
        send(acme.key, at(f"{day}T09:30"), model=model)
    chart = spend_by_model(acme.workspace, at("10-11T15:00"), at("10-14T15:00"), top=2)
    assert [f"{day:%m-%d}" for day in chart.days] == ["10-11", "10-12", "10-13", "10-14"]
    assert [(series.name, series.values, series.total) for series in chart.series] == [
        ("b", [0, 0, GOLDEN, GOLDEN], 2 * GOLDEN),
        ("Other", [0, GOLDEN, 0, GOLDEN], 2 * GOLDEN),
    ]
