"""A database that the first form of the migrations made, brought to the tables and the history of today's.

Migrations were written again once, before the first release. A database that was used before that has a history that
names migrations that are no more. All of them applied: its tables are today's but for a few names and keys, and this makes
those changes, and writes today's history, in one transaction. Only some of them applied: refused, with what to do.
"""

from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

History = set[tuple[str, str]]


def _named(app: str, names: str) -> History:
    return {(app, name) for name in names.split()}


FORMER = _named(
    "workspaces",
    """
        0001_initial 0002_audit_is_append_only 0003_suspension 0004_sent_forms 0005_keys_tell_their_scopes_and_maker
        0006_session_generation 0007_audit_tells_from_where 0008_audit_is_a_chain 0009_invitations 0010_shared_values
        0011_gateway_reach 0012_audit_folds_and_known_settings 0013_audit_by_action_and_actor
    """,
) | _named(
    "metering",
    """
        0001_initial 0002_events_and_guards 0003_invoice_lines_keep_their_model 0004_finalized_invoices_are_frozen 0005_schedule
        0006_bodies_rest_compressed 0007_tiers_are_as_long_as_events_name_them 0008_the_inbox_is_partitioned_by_day
        0009_identities_by_hash 0010_corrections_and_rerating 0011_schedule_reratings 0012_schedule_the_inbox_days
        0013_quarantine_is_found_by_request_id 0014_money 0015_money_is_frozen 0016_payments_of_before 0017_schedule_money
        0018_refunds_take_credit_along 0019_issued_pdfs 0020_money_adds_up 0021_attempts_asked_at 0022_topups_and_dunning
        0023_notices_and_heartbeats 0024_pricing_by_month 0025_refunds_by_hand_have_a_reference 0026_quarantine_by_workspace
        0027_events_name_their_gateway 0028_schedule_expiring_keys 0029_job_orders
        0030_lost_job_orders_are_sent_again
    """,
)
# What took their place. Later migrations are no part of it: they run like everywhere.
TODAY = _named("workspaces", "0001_people_keys_and_gateways 0002_audit_trail") | _named(
    "metering",
    """
        0001_catalogue 0002_inbox_and_events 0003_usage 0004_invoices 0005_credits 0006_payments_and_mails 0007_jobs
        0008_guards
    """,
)

# The trail of corrections gets the shape of the other tables that can be distributed by workspace; the rest are names that
# remember tables of before.
CHANGES = """
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE metering_eventcorrection
    DROP CONSTRAINT metering_eventcorrec_rerating_id_38532070_fk_metering_,
    DROP CONSTRAINT metering_eventcorrection_pkey,
    ADD PRIMARY KEY (workspace_id, id);
ALTER TABLE metering_batch RENAME CONSTRAINT metering_batch_pkey1 TO metering_batch_pkey;
ALTER INDEX batches_in_waiting RENAME TO batches_waiting;
ALTER INDEX batches_by_gateway RENAME TO batches_of_a_gateway;
ALTER TABLE metering_eventidentity RENAME CONSTRAINT metering_eventidentity_by_hash_pkey TO metering_eventidentity_pkey;
ALTER TABLE metering_quarantinedevent
    RENAME CONSTRAINT metering_quarantinedevent_gateway_id_fkey TO metering_quarantined_gateway_id_b1364b84_fk_workspace;
ALTER INDEX quarantine_of_a_gateway RENAME TO metering_quarantinedevent_gateway_id_b1364b84;
"""


class HistoryRefused(Exception):
    """The database's history is neither today's nor the whole of the former one. Nothing was changed."""


def bring_history_up_to_date() -> None:
    """Does nothing to a database with today's history, or with none. Raises HistoryRefused."""
    if not former_history():
        return
    with transaction.atomic():
        applied = former_history()
        if not applied:
            return  # another process was faster
        if missing := FORMER - applied:
            raise HistoryRefused(
                f"This database was last used by a version from before the migrations were written again, and it lacks "
                f"{len(missing)} of that version's migrations, {'.'.join(min(missing))} among them. It was not changed. Start "
                f"the last version that has the migration {'.'.join(max(FORMER))} on it once, which applies them, and then "
                f"this one; or begin with an empty database."
            )
        recorder = MigrationRecorder(connection)
        with connection.cursor() as cursor:
            cursor.execute(CHANGES)
        for app, name in FORMER:
            recorder.record_unapplied(app, name)
        for app, name in sorted(TODAY):
            recorder.record_applied(app, name)


def former_history() -> History:
    """Which of the former migrations the database says it has."""
    return FORMER & MigrationRecorder(connection).applied_migrations().keys()
