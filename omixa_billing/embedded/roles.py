"""Who may do what in the embedded PostgreSQL, and who gets in.

The product is the role `omixa`, which owns its database and nothing else. The superuser is `postgres`, for operators. Both are
open to the system accounts that own this home, and to no other: the kernel tells the server who is at the socket. Over the
network only `omixa` gets in, once an operator has set `listen_addresses` and a password.
"""

import os
import pwd
from collections.abc import Callable

import psycopg
from psycopg import sql

NAME = USER = "omixa"
SUPERUSER = "postgres"
UPGRADE = "omixa_upgrade"  # there for a moment: a role cannot rename itself

HBA = f"""\
# Written at every start.
local  all      all          peer map=home
host   all      {SUPERUSER}     all   reject
host   {NAME}    {USER}        all   scram-sha-256
"""

# What the superuser made before the product had a role of its own. What belongs to a table or an extension follows it.
OWNED_BY_SUPERUSER = """
WITH ours AS (
    SELECT oid, nspname, nspowner FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), dependent AS (
    SELECT classid, objid FROM pg_depend WHERE deptype IN ('a', 'i', 'e') AND refobjid <> 0
)
SELECT format('ALTER SCHEMA %I OWNER TO omixa', nspname) FROM ours WHERE nspowner = 10
UNION ALL
SELECT format('ALTER %s %s OWNER TO omixa',
              CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
              c.oid::regclass)
FROM pg_class c JOIN ours ON ours.oid = relnamespace
WHERE relowner = 10 AND (relkind IN ('r', 'p', 'v', 'm') OR relkind = 'S' AND NOT EXISTS (
    SELECT 1 FROM dependent WHERE classid = 'pg_class'::regclass AND objid = c.oid))
UNION ALL
SELECT format('ALTER ROUTINE %s OWNER TO omixa', p.oid::regprocedure)
FROM pg_proc p JOIN ours ON ours.oid = pronamespace
WHERE proowner = 10 AND NOT EXISTS (SELECT 1 FROM dependent WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
UNION ALL
SELECT format('ALTER TYPE %s OWNER TO omixa', t.oid::regtype)
FROM pg_type t JOIN ours ON ours.oid = typnamespace
WHERE typowner = 10 AND typtype IN ('d', 'e') AND NOT EXISTS (
    SELECT 1 FROM dependent WHERE classid = 'pg_type'::regclass AND objid = t.oid)
"""

Connect = Callable[[str, str], psycopg.Connection]  # database, role


def ident_map(uids: set[int]) -> str:
    """The text of the ident file: these system accounts may be any role at the socket."""
    lines = [f'home  "{name}"  all' for name in sorted(filter(None, map(_name_of, uids)))]
    return "\n".join(["# Written at every start.", *lines, ""])


def _name_of(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def own_accounts(account_uid: int | None) -> set[int]:
    return {os.geteuid()} if account_uid is None else {os.geteuid(), account_uid}


def arrange(connect: Connect) -> None:
    """Roles and database as they are to be, whichever release made the cluster, also when this was cut off before."""
    if not _has_superuser(connect):
        _rename_superuser(connect)
    with connect(SUPERUSER, SUPERUSER) as connection:
        connection.execute(f"DROP ROLE IF EXISTS {UPGRADE}")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [USER]).fetchone():
            connection.execute(f"CREATE ROLE {USER} LOGIN")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
            connection.execute(f"CREATE DATABASE {NAME} OWNER {USER}")
        own = "SELECT datname FROM pg_database WHERE datdba = 10 AND NOT datistemplate AND datname <> %s"
        theirs = [name for (name,) in connection.execute(own, [SUPERUSER])]
    for database in theirs:
        _give_away(connect, database)


def _has_superuser(connect: Connect) -> bool:
    try:
        connect(SUPERUSER, SUPERUSER).close()
    except psycopg.OperationalError:
        return False
    return True


def _rename_superuser(connect: Connect) -> None:
    """In clusters made before 0.1.0 was released the product's role is the one that initdb made."""
    with connect(SUPERUSER, USER) as connection:
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [UPGRADE]).fetchone():
            connection.execute(f"CREATE ROLE {UPGRADE} LOGIN SUPERUSER")
    with connect(SUPERUSER, UPGRADE) as connection:
        connection.execute(f"ALTER ROLE {USER} RENAME TO {SUPERUSER}")


def _give_away(connect: Connect, database: str) -> None:
    """The database last: while it is the superuser's, the next start does this again."""
    with connect(database, SUPERUSER) as connection:
        with connection.transaction():
            for (statement,) in connection.execute(OWNED_BY_SUPERUSER).fetchall():
                connection.execute(statement)
        connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(*map(sql.Identifier, (database, USER))))
