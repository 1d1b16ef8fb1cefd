"""Real servers, really killed. Each test has a home of its own."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from omixa_billing.embedded import account, cluster, locks, postgres, processes, sockets
from omixa_billing.embedded.cluster import CannotStart, Cluster

from .conftest import REPOSITORY

# Uses the server until it is asked to continue, as a command does.
COMMAND = """
import sys
from omixa_billing.embedded import postgres
with postgres.ensure_running() as cluster:
    print(cluster.postmaster(), flush=True)
    sys.stdin.readline()
    print(cluster.connect().execute("SELECT 'still here'").fetchone()[0], flush=True)
"""


def start_command(environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND],
        cwd=REPOSITORY,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def start_launcher(environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "omixa_billing.embedded.postgres"], cwd=REPOSITORY, env=environment)


def wait_for(condition, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def write(running: Cluster, value: int) -> None:
    with running.connect() as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (value integer)")
        connection.execute("INSERT INTO kept VALUES (%s)", [value])


def read(running: Cluster) -> list[int]:
    with running.connect() as connection:
        return [value for (value,) in connection.execute("SELECT value FROM kept ORDER BY value")]


def crash(running: Cluster) -> int:
    """SIGKILL the postmaster, as the kernel does when memory runs out."""
    pid = running.postmaster()
    os.kill(pid, signal.SIGKILL)
    processes.wait_until_gone(pid, 5)
    return pid


def test_the_second_start_finds_the_data_of_the_first(base: Path) -> None:
    with postgres.ensure_running(base) as running:
        write(running, 1)
    assert running.postmaster() is None
    with postgres.ensure_running(base) as running:
        assert read(running) == [1]


def test_nothing_that_protects_a_commit_is_switched_off(base: Path) -> None:
    with postgres.ensure_running(base) as running, running.connect() as connection:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert connection.execute(f"SHOW {name}").fetchone() == ("on",)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_a_killed_server_starts_again_with_everything_committed(base: Path) -> None:
    with postgres.ensure_running(base) as running:
        write(running, 1)
        killed = crash(running)
        assert (running.data / "postmaster.pid").exists()
        assert postgres.join_server(running) != killed
        assert read(running) == [1]


def test_a_backend_that_outlives_its_postmaster_does_not_hold_up_the_next_start(base: Path) -> None:
    with postgres.ensure_running(base) as running:
        busy = running.connect()
        busy.execute("BEGIN")
        stopped = busy.info.backend_pid
        os.kill(stopped, signal.SIGSTOP)  # deaf, as one deep in a long query is
        crash(running)
        cluster.ORPHAN_SECONDS, patience = 0.3, cluster.ORPHAN_SECONDS
        try:
            postgres.join_server(running)
        finally:
            cluster.ORPHAN_SECONDS = patience
        assert running.answers()
        assert not processes.is_alive(stopped)


def test_a_pid_file_that_names_somebody_else_is_not_believed(base: Path) -> None:
    with postgres.ensure_running(base) as running:
        write(running, 1)
        crash(running)
        pid_file = running.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        with subprocess.Popen(["sleep", "20"], user=pid_file.stat().st_uid) as stranger:
            pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            try:
                assert running.postmaster() is None
                postgres.join_server(running)
                assert read(running) == [1]
                assert processes.is_alive(stranger.pid)
            finally:
                stranger.kill()


def test_a_first_start_that_was_cut_off_is_begun_again(base: Path) -> None:
    half = base / "postgres.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with postgres.ensure_running(base) as running:
        assert running.answers()
    assert not half.exists()


def test_data_of_another_release_is_refused_and_left_alone(base: Path) -> None:
    data = base / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("17\n")
    with pytest.raises(CannotStart, match="made by PostgreSQL 17, and this is PostgreSQL 18"), postgres.ensure_running(base):
        pass
    assert [path.name for path in data.iterdir()] == ["PG_VERSION"]


def test_two_homes_run_side_by_side(folder: Path) -> None:
    with postgres.ensure_running(folder / "one") as one, postgres.ensure_running(folder / "two") as two:
        write(one, 1)
        write(two, 2)
        crash(one)
        assert read(two) == [2]
        postgres.join_server(one)
        assert read(one) == [1]


def test_a_home_too_deep_for_a_socket_gets_one_in_a_short_private_folder(folder: Path) -> None:
    deep = folder / ("d" * 100)
    with postgres.ensure_running(deep) as running:
        write(running, 1)
        assert not running.sockets.is_relative_to(deep)
        assert len(str(running.sockets / ".s.PGSQL.5432")) <= sockets.LONGEST_ADDRESS
        assert running.sockets.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(running.sockets.parent)


def test_a_short_socket_folder_that_somebody_else_made_is_refused(folder: Path) -> None:
    (folder / "link").symlink_to(folder)
    with pytest.raises(sockets.UnsafeFolder, match="belongs to another account"):
        sockets.make_socket_folder(folder / "link", os.geteuid(), os.getegid())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_root_reaches_a_home_under_a_closed_parent_without_opening_it(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    with postgres.ensure_running(closed / "home") as running:
        write(running, 1)
        assert Path(f"/proc/{running.postmaster()}").stat().st_uid == running.account.uid != 0
    assert closed.stat().st_mode & 0o777 == 0o700
    assert (closed / "home" / "postgres").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another account")
def test_a_server_in_an_open_folder_gets_no_capability(base: Path) -> None:
    with postgres.ensure_running(base) as running:
        status = Path(f"/proc/{running.postmaster()}/status").read_text()
    reachable = all(path.stat().st_mode & 0o001 for path in cluster.binaries().parents)
    assert ("CapEff:\t0000000000000000" in status) == reachable


def test_where_no_capability_is_left_the_message_says_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(account, "_effective_capabilities", lambda: 0)
    with pytest.raises(account.NoAccount, match="Set OMIXA_HOME to a folder it can enter"):
        account.Account(uid=65534, gid=65534).command(["true"], [closed])


def test_two_commands_share_one_server_and_the_last_one_stops_it(base: Path, environment: dict[str, str]) -> None:
    with start_command(environment) as first, start_command(environment) as second:
        pid = int(first.stdout.readline())
        assert int(second.stdout.readline()) == pid
        first.communicate("\n")
        assert processes.is_alive(pid)
        assert second.communicate("\n")[0] == "still here\n"
    assert not processes.is_alive(pid)


def test_what_a_killed_command_leaves_is_used_and_stopped_by_the_next(base: Path, environment: dict[str, str]) -> None:
    with start_command(environment) as killed:
        pid = int(killed.stdout.readline())
        killed.kill()
    assert processes.is_alive(pid)
    with start_command(environment) as following:
        assert int(following.stdout.readline()) == pid
        following.communicate("\n")
    assert not processes.is_alive(pid)


def test_the_launcher_adopts_the_server_of_a_command(base: Path, environment: dict[str, str]) -> None:
    users = base / "run" / "postgres.users"
    with start_command(environment) as command:
        pid = int(command.stdout.readline())
        with start_launcher(environment) as launcher:
            wait_for(lambda: _holds(launcher.pid, users))
            assert command.communicate("\n")[0] == "still here\n"
            assert processes.is_alive(pid), "the launcher still uses it"
            launcher.terminate()
    assert not processes.is_alive(pid)
    assert not locks.is_held(users)


def test_a_server_under_the_launcher_ends_with_it_even_by_sigkill(base: Path, environment: dict[str, str]) -> None:
    running = Cluster(base)
    with start_launcher(environment) as launcher:
        wait_for(lambda: running.postmaster() and running.answers())
        pid = running.postmaster()
        launcher.kill()
    assert processes.wait_until_gone(pid, 10)


def _holds(pid: int, path: Path) -> bool:
    return any(os.path.realpath(link) == str(path) for link in Path(f"/proc/{pid}/fd").iterdir())
