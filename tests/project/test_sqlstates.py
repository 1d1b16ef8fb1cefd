"""What an error of the database comes down to, whether its server says so or only its words do."""

import pytest
from django.db import DatabaseError, InternalError, connection, transaction

from metering.worker.one_by_one import blames_the_event
from omixa_billing.outage import is_outage
from omixa_billing.sqlstates import is_unique_violation, sqlstate_of

pytestmark = pytest.mark.django_db


def error_of(sql: str, *parameters: str) -> DatabaseError:
    with pytest.raises(DatabaseError) as raised, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
    return raised.value


def passed_on(message: str, detail: str = "") -> DatabaseError:
    """As a node of a cluster passes on what another one refused in a COPY: its words, as an internal error."""
    sql = f"DO $do$ BEGIN RAISE EXCEPTION $text${message}$text$ USING ERRCODE = 'internal_error'"
    error = error_of(f"{sql}{f', DETAIL = $text${detail}$text$' if detail else ''}; END $do$")
    assert isinstance(error, InternalError)
    return error


PROVIDER = "INSERT INTO metering_provider (name) VALUES ('twice')"
CASES = [
    (f"{PROVIDER}, ('twice')", 'duplicate key value violates unique constraint "metering_provider_name_key_102008"', "23505"),
    ("INSERT INTO metering_provider (name) VALUES (NULL)", 'null value in column "name" violates not-null constraint', "23502"),
    (
        "INSERT INTO metering_taxrate (name, percent) VALUES ('VAT', 101)",
        'new row for relation "metering_taxrate_102031" violates check constraint "a_tax_is_a_percentage"',
        "23514",
    ),
    (
        f"INSERT INTO metering_provider (name) VALUES ('{'x' * 101}')",
        "value too long for type character varying(100)",
        "22001",
    ),
    ("SELECT 70000::smallint", "smallint out of range", "22003"),
]


@pytest.mark.parametrize(("sql", "words", "state"), CASES, ids=[state for *_, state in CASES])
def test_a_refusal_is_known_by_its_state_and_by_its_words(sql: str, words: str, state: str) -> None:
    for error in (error_of(sql), passed_on(words), passed_on("connection to the remote node failed", f"SQLSTATE: {state}")):
        assert sqlstate_of(error) == state
        assert blames_the_event(error)
        assert is_unique_violation(error) == (state == "23505")
        assert not is_outage(error)


def test_it_is_found_behind_the_error_that_it_caused() -> None:
    error = RuntimeError("not recorded")
    error.__cause__ = passed_on("duplicate key value violates unique constraint")
    assert sqlstate_of(error) == "23505"


def test_any_other_internal_error_stays_one() -> None:
    error = passed_on("could not find the plan", "Key (id)=(duplicate key value violates unique constraint) is odd.")
    assert sqlstate_of(error) == "XX000"
    assert (blames_the_event(error), is_unique_violation(error), is_outage(error)) == (False, False, False)


def test_a_deadlock_of_another_node_is_tried_again() -> None:
    error = passed_on("deadlock detected")
    assert (sqlstate_of(error), is_outage(error), blames_the_event(error)) == ("40P01", True, False)


def test_who_never_heard_of_a_server_has_none() -> None:
    assert sqlstate_of(ValueError("duplicate key value violates unique constraint")) is None
    assert sqlstate_of(None) is None
