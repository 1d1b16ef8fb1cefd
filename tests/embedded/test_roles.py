"""The product is not the superuser of its database, and other accounts of the machine get no connection."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from omixa_billing.embedded import cluster, postgres, roles, sockets
from omixa_billing.embedded.cluster import Cluster
from omixa_billing.embedded.home import make_directory
from omixa_billing.embedded.roles import SUPERUSER, UPGRADE, USER

ATTRIBUTES = (
    "SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin FROM pg_roles WHERE rolname = %s"
)
OWNER = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'omixa'"
FORBIDDEN = ("CREATE ROLE x", "ALTER SYSTEM SET fsync = off", "COPY kept FROM '/etc/passwd'", "CREATE DATABASE y")
# What the release before this one made: its role was the superuser, and everything was that role's.
BEFORE = """
CREATE SCHEMA apart;
CREATE TABLE kept (id serial PRIMARY KEY, value integer, at date) ;
CREATE TABLE parted (at date) PARTITION BY RANGE (at);
CREATE TABLE parted_one PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE apart.more (id integer GENERATED ALWAYS AS IDENTITY);
CREATE SEQUENCE alone;
CREATE VIEW seen AS SELECT value FROM kept;
CREATE TYPE mood AS ENUM ('calm', 'busy');
CREATE FUNCTION guard() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER guarded BEFORE INSERT ON kept FOR EACH ROW EXECUTE FUNCTION guard();
INSERT INTO kept (value) VALUES (42);
"""
NOT_OURS = """
SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
WHERE nspname IN ('public', 'apart') AND relowner = 10
UNION ALL SELECT proname FROM pg_proc WHERE proname = 'guard' AND proowner = 10
UNION ALL SELECT typname FROM pg_type WHERE typname = 'mood' AND typowner = 10
UNION ALL SELECT nspname FROM pg_namespace WHERE nspname = 'apart' AND nspowner = 10
UNION ALL SELECT datname FROM pg_database WHERE datname = 'omixa' AND datdba = 10
"""
STRANGER = """
import os, sys, psycopg
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
for user in ("omixa", "postgres", "nobody"):
    try:
        psycopg.connect(host=sys.argv[1], user=user, dbname="omixa")
    except psycopg.OperationalError as error:
        print(user, "Peer authentication failed" in str(error), "Permission denied" in str(error))
"""


def a_cluster_of_before(base: Path) -> Cluster:
    """As initdb and the first start left it, without the server that this release would start."""
    old = Cluster(make_directory(base))
    old._let_account_pass()
    draft = base / "postgres"
    draft.mkdir(mode=0o700)
    old._give_away(draft)
    run(old, "initdb", "-D", str(draft), "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
    with (draft / "postgresql.conf").open("a") as file:
        file.write("\ninclude_if_exists = 'omixa.conf'\n")
    run(old, "postgres", "--single", "-D", str(draft), "postgres", sent="CREATE DATABASE omixa;\n")
    run(
        old,
        "postgres",
        "--single",
        "-j",
        "-D",
        str(draft),
        "omixa",
        sent="".join(f"{each};\n\n" for each in BEFORE.split(";\n")),
    )
    return old


def run(owner: Cluster, program: str, *arguments: str, sent: str = "") -> None:
    command = owner._command(program, *arguments)
    done = subprocess.run(command, input=sent, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    assert "ERROR" not in done.stderr, done.stderr


def test_the_product_owns_its_database_and_is_nothing_more(base: Path) -> None:
    with postgres.ensure_running(base) as running:
        with running.connect() as connection:
            assert connection.execute(ATTRIBUTES, [USER]).fetchone() == (False, False, False, False, False, True)
            assert connection.execute(OWNER).fetchone() == (USER,)
            connection.execute("CREATE TABLE kept (value integer)")
            for forbidden in FORBIDDEN:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(forbidden)
        with running.connect(SUPERUSER, SUPERUSER) as connection:
            connection.execute("ALTER SYSTEM SET work_mem = '33MB'")
            connection.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize("cut_off_after", ["nothing", "the helper", "the renaming", "the role"])
def test_a_cluster_of_before_is_upgraded_in_place_wherever_it_was_cut_off(
    base: Path, monkeypatch: pytest.MonkeyPatch, cut_off_after: str
) -> None:
    old = a_cluster_of_before(base)
    statement = {"the helper": "ALTER ROLE", "the renaming": "DROP ROLE", "the role": "ALTER DATABASE"}.get(cut_off_after)
    if statement:
        with monkeypatch.context() as patch:
            patch.setattr(Cluster, "connect", dying_at(statement, Cluster.connect))
            with pytest.raises(KeyboardInterrupt), postgres.ensure_running(base):
                pass
        assert old.postmaster() is None or old.stop(old.postmaster()) is None
    with postgres.ensure_running(base) as running, running.connect() as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(42,)]
        assert connection.execute(NOT_OURS).fetchall() == []
        assert connection.execute(ATTRIBUTES, [USER]).fetchone() == (False, False, False, False, False, True)
        assert connection.execute("SELECT rolname FROM pg_roles WHERE oid = 10").fetchone() == (SUPERUSER,)
        assert connection.execute(ATTRIBUTES, [UPGRADE]).fetchone() is None
        connection.execute("INSERT INTO kept (value) VALUES (43)")
        connection.execute("DROP SCHEMA apart CASCADE")


def dying_at(statement: str, connect):
    """The start is killed just before it sends this."""

    def connect_and_watch(self, *arguments, **named):
        connection = connect(self, *arguments, **named)
        execute = connection.execute

        def watched(query, *rest):
            text = query if isinstance(query, str) else query.as_string(None)
            if text.startswith(statement):
                raise KeyboardInterrupt
            return execute(query, *rest)

        connection.execute = watched
        return connection

    return connect_and_watch


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as another account")
def test_another_account_gets_no_connection_even_where_it_reaches_the_socket(base: Path) -> None:
    with postgres.ensure_running(base) as running:
        command = [sys.executable, "-c", STRANGER, str(running.sockets)]
        closed = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert closed.split("\n")[:3] == [f"{user} False True" for user in ("omixa", "postgres", "nobody")]
        for path in (base, base / "run", running.sockets):
            path.chmod(0o755)
        (running.sockets / f".s.PGSQL.{sockets.POSTGRES_PORT}").chmod(0o777)
        opened = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
        assert opened.split("\n")[:3] == [f"{user} True False" for user in ("omixa", "postgres", "nobody")]


def test_the_network_is_for_who_asked_for_it_and_knows_the_password(base: Path) -> None:
    address = ".".join(["127", *(str(2 + os.getpid() // each % 240) for each in (57_600, 240, 1))])

    def by_network(user: str, **password: str) -> psycopg.Connection:
        return psycopg.connect(host=address, port=cluster.PORT, user=user, dbname="omixa", connect_timeout=5, **password)

    with postgres.ensure_running(base) as running:
        with pytest.raises(psycopg.OperationalError, match="Connection refused"):
            by_network(USER)
        with running.connect(SUPERUSER, SUPERUSER) as connection:
            connection.execute(f"ALTER SYSTEM SET listen_addresses = '{address}'")
    with postgres.ensure_running(base) as running:
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            by_network(USER)
        with running.connect(SUPERUSER, SUPERUSER) as connection:
            connection.execute("ALTER ROLE omixa PASSWORD 'right'")
            connection.execute("ALTER ROLE postgres PASSWORD 'right'")
        by_network(USER, password="right").close()
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            by_network(USER, password="wrong")
        with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
            by_network(SUPERUSER, password="right")


def test_the_accounts_at_the_socket_are_named_and_no_others() -> None:
    assert roles.ident_map({0}) == '# Written at every start.\nhome  "root"  all\n'
    assert roles.ident_map({4_000_000_000}) == "# Written at every start.\n"
