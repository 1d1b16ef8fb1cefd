"""Triggers that refuse, by the name of the promise that they keep. Their functions are written out where they are made."""

from django.db import migrations


def row_guard(promise: str, acts: str, table: str, function: str, when: str = "") -> migrations.RunSQL:
    """Before each row that is written by one of the acts, such as `UPDATE OR DELETE`; `when` narrows it."""
    condition = f" WHEN ({when})" if when else ""
    return _trigger(promise, table, f"BEFORE {acts} ON {table} FOR EACH ROW{condition} EXECUTE FUNCTION {function}()")


def truncate_guard(promise: str, table: str, function: str) -> migrations.RunSQL:
    return _trigger(promise, table, f"BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()")


def drop_functions(*names: str) -> str:
    """The way back from functions of triggers: what still uses one goes with it."""
    return "".join(f"DROP FUNCTION {name}() CASCADE;" for name in names)


def _trigger(name: str, table: str, rest: str) -> migrations.RunSQL:
    return migrations.RunSQL(f"CREATE TRIGGER {name} {rest}", f"DROP TRIGGER {name} ON {table}")
