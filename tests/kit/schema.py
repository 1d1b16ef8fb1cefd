"""A database's schema as text that two can be compared by: what PostgreSQL's catalog says, in any order of columns."""

import re
from typing import Any

from django.db import connection

# Tables and sequences that are no partitions: partitions come and go with the calendar, and are as their parent says.
TABLES = "relnamespace = 'public'::regnamespace AND NOT relispartition"

LOOKS = {
    "table": f"""
        SELECT relname, concat_ws(' ', relkind, relpersistence, reloptions::text, pg_get_partkeydef(oid),
            obj_description(oid, 'pg_class'))
        FROM pg_class WHERE {TABLES} AND relkind IN ('r', 'p', 'v', 'm')""",
    "column": f"""
        SELECT relname || '.' || attname, concat_ws(' ', format_type(atttypid, atttypmod),
            CASE WHEN attnotnull THEN 'not null' END, attidentity, attstorage, nullif(attcollation, 0)::regcollation,
            pg_get_expr(adbin, adrelid))
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE {TABLES} AND relkind IN ('r', 'p', 'v', 'm') AND attnum > 0 AND NOT attisdropped""",
    # That a column is not null says the column; the constraint's name for it keeps older names of the table.
    "constraint": f"""
        SELECT relname || '.' || conname, pg_get_constraintdef(pg_constraint.oid)
        FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid WHERE {TABLES} AND contype <> 'n'""",
    "index": f"""
        SELECT relname, pg_get_indexdef(oid) || coalesce(' ' || reloptions::text, '')
        FROM pg_class WHERE {TABLES} AND relkind IN ('i', 'I')""",
    "trigger": f"""
        SELECT relname || '.' || tgname, pg_get_triggerdef(pg_trigger.oid) || ' ' || tgenabled::text
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid WHERE {TABLES} AND NOT tgisinternal""",
    "function": """
        SELECT oid::regprocedure::text, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "sequence": f"""
        SELECT relname, concat_ws(' ', format_type(seqtypid, NULL), seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle,
            (SELECT refobjid::regclass || '.' || attname FROM pg_depend
             JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
             WHERE pg_depend.objid = pg_class.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')))
        FROM pg_sequence JOIN pg_class ON pg_class.oid = seqrelid WHERE {TABLES}""",
}


def schema() -> dict[str, str]:
    """Everything there is by its kind and name, with what it is."""
    found: dict[str, str] = {}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL search_path = public" if connection.in_atomic_block else "SET search_path = public")
        for kind, look in LOOKS.items():
            cursor.execute(look)
            found.update({f"{kind} {name}": _plain(kind, definition) for name, definition in cursor.fetchall()})
    return found


def _plain(kind: str, definition: str) -> str:
    """Without the casts and parentheses that PostgreSQL adds to a condition each time that it is dumped and read again."""
    if kind not in ("constraint", "index"):
        return definition
    return re.sub(r"::(text|character varying)(\[\])?|[()]", "", definition)


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What only one of the two has, or has in another form."""
    names = sorted(one.keys() | other.keys())
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
