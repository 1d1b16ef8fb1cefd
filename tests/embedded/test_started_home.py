"""A whole product on a home that was open to everybody: nothing in it is left to another account of the machine."""

import gzip
import os
import re
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path

import pytest

from omixa_billing.embedded import closing
from omixa_billing.embedded.account import existing_account
from omixa_billing.embedded.sockets import UnsafeFolder
from tests.chaos.instance import Instance, children, running_instance
from tests.first_run import REPOSITORY
from tests.kit.started import STRONG

NOBODY = 65534
FOREVER = "max-age=31536000, public, immutable"
# As another account: tries everything that one may do with a path it knows, and prints what it could.
INTRUDER = """
import os, socket, sys
os.setgroups([]), os.setresgid(65534, 65534, 65534), os.setresuid(65534, 65534, 65534)
for path in sys.stdin.read().split("\\0"):
    for act in (os.listdir, lambda each: open(each, "rb").close(), lambda each: open(each, "ab").close(),
                lambda each: socket.socket(socket.AF_UNIX).connect(each)):
        try:
            act(path)
        except OSError:
            continue
        print(path)
"""


def everything_under(home: Path) -> list[Path]:
    found = [home]
    for folder, folders, files in os.walk(home):
        found += [Path(folder) / name for name in [*folders, *files]]
    return found


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("outside") / "theirs"
    path.touch()
    path.chmod(0o644)
    return path


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory, outside: Path) -> Iterator[Instance]:
    parent = Path(os.path.realpath(tmp_path_factory.mktemp("open")))
    for folder in (parent, *parent.parents[:2]):
        folder.chmod(folder.stat().st_mode | 0o011)
    home = parent / "home"
    (home / "log").mkdir(parents=True)
    for name in ("web.log", "web.log.1", "supervisord.log"):
        (home / "log" / name).write_text("a secret of yesterday\n")
        (home / "log" / name).chmod(0o644)
    (home / "log" / "link").symlink_to(outside)
    (home / "log").chmod(0o777)
    home.chmod(0o777)
    before = os.umask(0o022)
    try:
        with running_instance(home, METRICS_TOKEN="the-token-of-metrics") as running:
            yield running
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can try as another account")
def test_another_account_reads_writes_and_reaches_nothing(instance: Instance) -> None:
    paths = everything_under(instance.home)
    assert {"web.log", "secret_key", "supervisord.conf", "redis.sock", ".s.PGSQL.5432", "metrics"} <= {
        path.name for path in paths
    }
    done = subprocess.run(
        [sys.executable, "-I", "-c", INTRUDER],
        input="\0".join(map(str, paths)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_no_mode_under_the_home_gives_others_anything(instance: Instance) -> None:
    passages = {instance.home, instance.home / "run"} if os.geteuid() == 0 else set()
    given = {
        path.relative_to(instance.home): oct(mode)
        for path in everything_under(instance.home)
        if (mode := mode_of(path)) & 0o077 and not path.is_symlink() and path not in passages
    }
    assert {path: mode for path, mode in given.items() if path.parts[0] != "orders"} == {}
    if passages:
        gid = existing_account(instance.home / "postgres").gid
        assert {(stat.S_IMODE(path.stat().st_mode), path.stat().st_gid) for path in passages} == {(0o710, gid)}


def mode_of(path: Path) -> int:
    """Nothing for what is gone: PostgreSQL removes files of its own while it runs."""
    try:
        return stat.S_IMODE(path.lstat().st_mode)
    except FileNotFoundError:
        return 0


def test_a_link_in_the_home_is_not_followed(instance: Instance, outside: Path) -> None:
    assert stat.S_IMODE(outside.stat().st_mode) == 0o644


def test_everything_that_the_supervisor_starts_makes_closed_files(instance: Instance) -> None:
    started = [instance.supervisor.pid]
    for pid in started:
        started += children(pid)
    masks = [mask for pid in started if (mask := umask_of(pid)) is not None]
    assert len(masks) > 6
    assert set(masks) == {"0077"}


def umask_of(pid: int) -> str | None:
    """None for a process that has ended: PostgreSQL starts some for a moment only."""
    try:
        return Path(f"/proc/{pid}/status").read_text().partition("Umask:\t")[2][:4] or None
    except (FileNotFoundError, ProcessLookupError):
        return None


def test_the_doctor_finds_nothing_that_stops_a_running_product(instance: Instance) -> None:
    deadline = time.monotonic() + 300
    while not (printed := instance.manage("doctor"))["ok"]:  # until a worker has started
        assert time.monotonic() < deadline, printed
    assert [each for each in printed["findings"] if each["check"] not in ("settings", "mail", "stripe")] == []


NO_MAIL = """\
No mail can be sent, since EMAIL_URL is not set: invitations, password resets and invoices reach nobody.
`manage.py password_link EMAIL` prints a link that sets a person's password.
"""


def test_the_start_says_on_the_terminal_that_no_mail_can_be_sent(instance: Instance) -> None:
    assert (instance.home / "terminal").read_text().count(NO_MAIL) == 1


@pytest.mark.parametrize(("email_url", "said"), [("", NO_MAIL), ("smtp://127.0.0.1:9", "")])
def test_production_says_so_too_and_only_without_a_mail_server(instance: Instance, email_url: str, said: str) -> None:
    production = {"OMIXA_ENV": "production", "SECRET_KEY": STRONG, "PUBLIC_URL": "https://billing.example.com"}
    command = [sys.executable, "-m", "omixa_billing.supervision.prepare"]
    environment = instance.environment | production | {"ALLOWED_HOSTS": "billing.example.com", "EMAIL_URL": email_url}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, said), done.stderr


def test_a_home_of_another_account_or_one_that_is_shared_is_refused(folder: Path) -> None:
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    with pytest.raises(UnsafeFolder, match="is a folder that accounts share"):
        closing.close_folder(shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of another account")
@pytest.mark.parametrize("planted", [".", "log", "run", "static", "secret_key"])
def test_what_another_account_put_into_the_home_is_refused(folder: Path, planted: str) -> None:
    home = folder / "planted"
    home.mkdir()
    path = home / planted
    if planted == "secret_key":
        path.touch()
    else:
        path.mkdir(exist_ok=True)
    os.chown(path, NOBODY, NOBODY)
    with pytest.raises(UnsafeFolder, match="belongs to another account"):
        closing.close_folder(home)


@pytest.mark.parametrize("path", ["/metrics", "/readyz"])
def test_details_are_for_the_token_also_from_loopback(instance: Instance, path: str) -> None:
    address = f"http://127.0.0.1:{instance.port}{path}"
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            stranger = answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        stranger = refused.code, b""
    assert stranger == {"/metrics": (403, b""), "/readyz": (200, b'{"status": "ok"}')}[path]
    known = urllib.request.Request(address, headers={"Authorization": "Bearer the-token-of-metrics"})
    with urllib.request.urlopen(known, timeout=20) as answer:
        assert {"/metrics": b"omixa_waiting_batches", "/readyz": b'"broker": "ok"'}[path] in answer.read()


def fetched(instance: Instance, path: str, **headers: str) -> tuple[int, HTTPMessage, bytes]:
    connection = instance.connect()
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("page", ["/models", "/accounts/login/", "/api/v1/docs/"])
def test_what_a_page_loads_is_hashed_compressed_and_kept_for_good(instance: Instance, page: str) -> None:
    status, _, html = fetched(instance, page)
    names = sorted(set(re.findall(r'(?:href|src)="(/static/[^"]+)"', html.decode())))
    assert (status, [name for name in names if not re.search(r"\.[0-9a-f]{12}\.[a-z]+$", name)]) == (200, [])
    assert names != []
    for name in names:
        status, headers, plain = fetched(instance, name)
        assert (status, headers["Cache-Control"], "Content-Encoding" in headers) == (200, FOREVER, False), name
        status, headers, small = fetched(instance, name, **{"Accept-Encoding": "gzip"})
        assert (status, headers["Cache-Control"]) == (200, FOREVER), name
        if len(plain) > 1_000:
            assert (headers["Content-Encoding"], gzip.decompress(small) == plain) == ("gzip", True), name
        assert fetched(instance, name, **{"If-None-Match": headers["ETag"]})[::2] == (304, b""), name


def test_a_plain_name_is_answered_and_kept_for_a_minute(instance: Instance) -> None:
    status, headers, _ = fetched(instance, "/static/website/website.css")
    assert (status, headers["Cache-Control"]) == (200, "max-age=60, public")
