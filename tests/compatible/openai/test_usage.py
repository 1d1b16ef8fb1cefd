"""OpenAI's usage API, asked by their own client."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from metering.catalogue.models import PriceVersion
from metering.compatible.openai.kinds import KINDS
from metering.usage import query
from tests.kit.billing import at, tokens
from tests.kit.corrections import correct, replace, void
from tests.kit.factories import make_model, make_price
from tests.kit.foreign import openai_client
from tests.kit.tenants import Sender, Tenant, another_key, usage_of

pytestmark = pytest.mark.django_db
GOLDEN = {
    "object": "organization.usage.completions.result",
    "input_tokens": 2006,
    "input_cached_tokens": 1920,
    "input_uncached_tokens": 86,
    "input_cache_write_tokens": 0,
    "output_tokens": 300,
    "num_model_requests": 1,
}
GROUPS = ("project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "api_source")


def seconds(text: str) -> int:
    return int(at(text).timestamp())


def page_of(tenant: Tenant, kind: str = "completions", **query: Any) -> Any:
    return getattr(openai_client(tenant.admin_secret).admin.organization.usage, kind)(**query)


def results(tenant: Tenant, kind: str = "completions", **query: Any) -> list[dict[str, Any]]:
    """Of all buckets of a page."""
    return [result.to_dict() for bucket in page_of(tenant, kind, **query).data for result in bucket.results]


def ours(tenant: Tenant, start: str, end: str) -> dict[str, Any]:
    asked = {"start": at(start).isoformat(), "end": at(end).isoformat()}
    total: dict[str, Any] = tenant.admin.get("/api/v1/usage", asked).json()["total"]
    return total


def test_a_page_has_a_bucket_for_every_day_used_or_not(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-12T23:59:59.999999"), at("10-14T00:00:00"))
    page = page_of(acme, start_time=seconds("10-12T00:00"), end_time=seconds("10-15T00:00"))
    assert page.to_dict() == {
        "object": "page",
        "data": [
            {
                "object": "bucket",
                "start_time": seconds(f"10-{day}T00:00"),
                "end_time": seconds(f"10-{day + 1}T00:00"),
                "results": [GOLDEN | dict.fromkeys(GROUPS)] if used else [],
            }
            for day, used in ((12, True), (13, False), (14, True))
        ],
        "has_more": False,
        "next_page": None,
    }


def test_sums_are_those_of_our_own_usage_whatever_the_range_cuts(
    acme: Tenant, rival: Tenant, send: Sender, codex_mini: PriceVersion
) -> None:
    send(acme.key, *(at("10-10T00:00") + timedelta(hours=7, minutes=13) * number for number in range(17)))
    send(acme.key, at("10-11T10:30:30"), status="aborted", usage_source="estimated", service_tier="priority")
    send(acme.key, at("10-11T10:30:31"), status="failed", usage=None)
    send(rival.key, at("10-11T10:30:30"))
    found = results(acme, start_time=seconds("10-10T10:30"), end_time=seconds("10-14T09:17:05"), limit=31)
    total = ours(acme, "10-10T10:30", "10-14T09:17:05")
    sums = {name: sum(each[name] for each in found) for name in GOLDEN if name != "object"}
    assert sums == {
        "input_tokens": total["input_tokens"],
        "input_cached_tokens": total["cached_input_tokens"],
        "input_uncached_tokens": total["input_tokens"] - total["cached_input_tokens"] - total["cache_write_tokens"],
        "input_cache_write_tokens": total["cache_write_tokens"],
        "output_tokens": total["output_tokens"],
        "num_model_requests": total["requests"],
    }
    assert total["requests"] == 15


def test_each_group_is_a_result_and_the_rest_is_null(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("10-14T09:00"), user="ada")
    send(second, at("10-14T09:00"), service_tier="batch", model="grok-3")
    range_ = {"start_time": seconds("10-14T00:00"), "end_time": seconds("10-15T00:00")}
    found = results(acme, **range_, group_by=list(GROUPS))
    named = [{name: each[name] for name in GROUPS} for each in found]
    of_all = {"project_id": acme.workspace.public_id, "api_source": "unlabeled"}
    first = {
        "user_id": "ada",
        "api_key_id": acme.key.public_id,
        "model": "codex-mini",
        "batch": False,
        "service_tier": "default",
    }
    other = {"user_id": None, "api_key_id": second.public_id, "model": "grok-3", "batch": True, "service_tier": "batch"}
    assert named == [of_all | other, of_all | first]
    assert [each["model"] for each in results(acme, **range_, group_by=["model"])] == ["codex-mini", "grok-3"]
    assert {each["user_id"] for each in results(acme, **range_, group_by=["model"])} == {None}


def test_filters_narrow_and_both_spellings_of_a_list_do(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    second, _ = another_key(acme)
    send(acme.key, at("10-14T09:00"), user="ada")
    send(acme.key, at("10-14T09:01"), user="ben", service_tier="batch")
    send(second, at("10-14T09:02"), model="grok-3")
    range_ = {"start_time": seconds("10-14T00:00"), "end_time": seconds("10-15T00:00")}

    def requests(**filters: Any) -> int:
        return sum(each["num_model_requests"] for each in results(acme, **range_, **filters))

    assert requests() == 3
    assert requests(models=["codex-mini"]) == 2
    assert requests(api_key_ids=[second.public_id, "key_none"]) == 1
    assert requests(user_ids=["ada", "nobody"]) == 1
    assert requests(user_ids=[""]) == 1
    assert requests(batch=True) == 1
    assert requests(batch=False) == 2
    assert requests(project_ids=[acme.workspace.public_id]) == 3
    plain = acme.admin.get("/v1/organization/usage/completions", range_ | {"models": ["codex-mini", "grok-3"]}).json()
    assert plain["data"][0]["results"][0]["num_model_requests"] == 3


def test_hours_and_minutes_begin_on_their_edges(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-14T09:29:59.999999"), at("10-14T09:30:00"), at("10-14T09:30:59.999999"), at("10-14T09:31:00"))
    for width, start, end, edges in (
        ("1m", "10-14T09:29", "10-14T09:32", [("09:29", 1), ("09:30", 2), ("09:31", 1)]),
        ("1m", "10-14T09:30", "10-14T09:31", [("09:30", 2)]),
        ("1h", "10-14T08:00", "10-14T10:00", [("08:00", 0), ("09:00", 4)]),
        ("1h", "10-14T09:30", "10-14T10:00", [("09:30", 3)]),
    ):
        page = page_of(acme, start_time=seconds(start), end_time=seconds(end), bucket_width=width)
        assert [(bucket.start_time, sum(result.num_model_requests for result in bucket.results)) for bucket in page.data] == [
            (seconds(f"10-14T{edge}"), count) for edge, count in edges
        ]


@pytest.mark.parametrize(
    ("width", "usual", "most", "length"), [("1m", 60, 1_440, 60), ("1h", 24, 168, 3_600), ("1d", 7, 31, 86_400)]
)
def test_a_page_has_so_many_buckets(acme: Tenant, width: str, usual: int, most: int, length: int) -> None:
    import openai

    asked = {"start_time": seconds("01-01T00:00"), "bucket_width": width}
    page = page_of(acme, **asked)
    assert (len(page.data), page.has_more) == (usual, True)
    assert page.data[-1].end_time == asked["start_time"] + usual * length
    assert len(page_of(acme, **asked, limit=most).data) == most
    for limit in (0, most + 1):
        with pytest.raises(openai.BadRequestError) as refused:
            page_of(acme, **asked, limit=limit)
        assert refused.value.param == "limit"


def test_pages_make_up_the_whole_range(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, *(at("10-01T12:00") + timedelta(days=number) for number in range(14)))
    asked: dict[str, Any] = {"start_time": seconds("10-01T06:00"), "end_time": seconds("10-14T18:00"), "limit": 5}
    whole = page_of(acme, **asked | {"limit": 31})
    buckets, pages = [], 0
    while True:
        page = page_of(acme, **asked)
        buckets += page.data
        pages += 1
        assert page.has_more == (page.next_page is not None)
        if page.next_page is None:
            break
        asked["page"] = page.next_page
    assert (pages, len(buckets)) == (3, 14)
    assert buckets == whole.data
    assert [len(bucket.results) for bucket in buckets] == [1] * 14
    assert (buckets[0].start_time, buckets[-1].end_time) == (asked["start_time"], asked["end_time"])


def test_without_an_end_the_running_day_is_the_last(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    send(acme.key, at("10-15T11:59"))
    page = page_of(acme, start_time=seconds("10-14T00:00"))
    assert [bucket.end_time for bucket in page.data] == [seconds("10-15T00:00"), seconds("10-16T00:00")]
    assert (len(page.data[1].results), page.has_more) == (1, False)
    assert page_of(acme, start_time=seconds("11-01T00:00")).data == []


def test_what_a_correction_takes_back_is_gone(acme: Tenant, send: Sender, codex_mini: PriceVersion) -> None:
    first, second = send(acme.key, at("10-14T09:00"), at("10-14T09:01"))
    for width in ("1d", "1h", "1m"):
        asked = {"start_time": seconds("10-14T09:00"), "end_time": seconds("10-14T10:00"), "bucket_width": width}
        assert sum(each["output_tokens"] for each in results(acme, **asked)) == 600
    correct(send.gateway, void(acme.key, first), replace(acme.key, tokens(input=10, output=7), second))
    for width in ("1d", "1h", "1m"):
        asked = {"start_time": seconds("10-14T09:00"), "end_time": seconds("10-14T10:00"), "bucket_width": width}
        (found,) = results(acme, **asked)
        assert (found["num_model_requests"], found["input_tokens"], found["output_tokens"]) == (1, 10, 7)


def test_cache_writes_are_part_of_the_input_and_not_uncached(acme: Tenant, send: Sender) -> None:
    written = {"input_tokens": 5, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 100, "output_tokens": 1}
    send(acme.key, at("10-14T09:00"), usage=written, model="claude")
    (found,) = results(acme, start_time=seconds("10-14T00:00"), end_time=seconds("10-15T00:00"))
    counted = {name: found[name] for name in GOLDEN if "input" in name}
    assert counted == {
        "input_tokens": 125,
        "input_cached_tokens": 20,
        "input_uncached_tokens": 5,
        "input_cache_write_tokens": 100,
    }


def test_the_kinds_add_up_to_the_whole(acme: Tenant, send: Sender) -> None:
    make_model("ada-embeds", endpoint_type="azure_openai_v1_embeddings")
    make_model("safe", endpoint_type="moderations")
    for model in ("codex-mini", "ada-embeds", "safe"):
        send(acme.key, at("10-14T09:00"), model=model, usage=usage_of(100, 0))
    range_ = {"start_time": seconds("10-14T00:00"), "end_time": seconds("10-15T00:00")}
    found = {
        kind: [(each["object"], each["model"]) for each in results(acme, kind, **range_, group_by=["model"])]
        for kind in ("completions", "embeddings", "moderations")
    }
    assert found == {
        "completions": [("organization.usage.completions.result", "codex-mini")],
        "embeddings": [("organization.usage.embeddings.result", "ada-embeds")],
        "moderations": [("organization.usage.moderations.result", "safe")],
    }
    assert results(acme, "embeddings", **range_, models=["codex-mini"]) == []


def test_what_no_gateway_sells_was_not_used(acme: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:00"))
    empty = [kind for kind, each in KINDS.items() if not each.result]
    assert len(empty) == 8
    for kind in empty:
        page = page_of(acme, kind, start_time=seconds("10-14T00:00"), end_time=seconds("10-15T00:00"))
        assert [(len(bucket.results), bucket.start_time) for bucket in page.data] == [(0, seconds("10-14T00:00"))]


def test_a_stranger_and_an_id_of_nothing_match_nothing(acme: Tenant, rival: Tenant, send: Sender) -> None:
    send(acme.key, at("10-14T09:00"), user="ada")
    send(rival.key, at("10-14T09:00"), user="ada")
    range_ = {"start_time": seconds("10-14T00:00"), "end_time": seconds("10-15T00:00")}
    for theirs in (
        {"project_ids": [rival.workspace.public_id]},
        {"api_key_ids": [rival.key.public_id]},
        {"api_key_ids": ["key_none"]},
        {"models": ["none"]},
    ):
        assert results(acme, **range_, **theirs) == []
    assert [each["num_model_requests"] for each in results(acme, **range_, user_ids=["ada"])] == [1]


def test_a_live_key_is_refused_in_their_shape(acme: Tenant) -> None:
    import openai

    client = openai_client(acme.secret)
    with pytest.raises(openai.PermissionDeniedError) as refused:
        client.admin.organization.usage.completions(start_time=seconds("10-14T00:00"))
    assert (refused.value.status_code, refused.value.type) == (403, "permission_error")
    with pytest.raises(openai.AuthenticationError):
        openai_client("omx_admin_nothing").admin.organization.usage.completions(start_time=1)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({}, "start_time"),
        ({"start_time": "2026-10-14"}, "start_time"),
        ({"start_time": -1}, "start_time"),
        ({"start_time": 10**15}, "start_time"),
        ({"start_time": 1, "end_time": 1}, "end_time"),
        ({"start_time": 1, "bucket_width": "1w"}, "bucket_width"),
        ({"start_time": 1, "group_by": "size"}, "group_by"),
        ({"start_time": 1, "group_by[]": "line_item"}, "group_by"),
        ({"start_time": 1, "batch": "perhaps"}, "batch"),
        ({"start_time": 1, "sizes": "256x256"}, "sizes"),
        ({"start_time": 1, "starttime": 1}, "starttime"),
        ({"start_time": [1, 2]}, "start_time"),
        ({"start_time": 1, "page": "page_"}, "page"),
        ({"start_time": 1, "page": "bm9uc2Vuc2U"}, "page"),
        ({"start_time": 1, "page": "page_WzFd"}, "page"),  # [1]: on no edge
        ({"start_time": 1, "page": "page_WzFlOTldCg"}, "page"),
        ({"start_time": 1, "page": "page_W3RydWVd"}, "page"),
        ({"start_time": 1, "models": "nul\x00"}, "models"),
    ],
)
def test_a_wrong_parameter_is_named(acme: Tenant, query: dict[str, Any], param: str) -> None:
    answer = acme.admin.get("/v1/organization/usage/completions", query)
    error = answer.json()["error"]
    assert (answer.status_code, error["type"], error["param"]) == (400, "invalid_request_error", param)
    assert error["message"]


def test_more_events_than_one_question_may_read_are_refused(
    acme: Tenant, send: Sender, codex_mini: PriceVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    import openai

    send(acme.key, at("10-14T09:00"), at("10-14T09:01"), at("10-14T11:00"))
    monkeypatch.setattr(query, "MAX_EVENTS", 2)
    start: datetime = at("10-14T09:00")
    asked: dict[str, Any] = {"start_time": int(start.timestamp()), "end_time": seconds("10-14T12:00"), "limit": 180}
    with pytest.raises(openai.UnprocessableEntityError) as refused:
        page_of(acme, **asked, bucket_width="1m")
    assert (refused.value.code, refused.value.param) == ("range_too_long", "end")
    assert len(results(acme, **asked | {"limit": 60}, bucket_width="1m")) == 2
    with pytest.raises(openai.UnprocessableEntityError):
        page_of(acme, **asked | {"limit": 1}, group_by=["user_id"])
    assert len(results(acme, **asked | {"limit": 1})) == 1


def test_a_price_of_the_workspace_changes_no_count(acme: Tenant, send: Sender) -> None:
    make_price("codex-mini", workspace=acme.workspace)
    send(acme.key, at("10-14T09:00"))
    assert results(acme, start_time=seconds("10-14T00:00"), end_time=seconds("10-15T00:00")) == [GOLDEN | dict.fromkeys(GROUPS)]
