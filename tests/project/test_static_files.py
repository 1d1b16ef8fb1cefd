"""Static files are collected under names that hold a hash; a changed file has another name from the next start on."""

import gzip
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.http import Http404, HttpRequest, HttpResponse
from django.templatetags.static import static
from django.test import Client, RequestFactory, override_settings

from omixa_billing.static_files import collect as collecting
from omixa_billing.static_files.collect import collect
from omixa_billing.static_files.folder import collected, static_directory
from omixa_billing.static_files.middleware import ServeStaticFiles
from tests.first_run import REPOSITORY

STYLE = "shop/style.css"
FOREVER = "max-age=31536000, public, immutable"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A folder of static files, in front of the product's own, of a home where nothing was collected yet."""
    monkeypatch.setenv("OMIXA_HOME", str(tmp_path / "home"))
    source = tmp_path / "files"
    (source / "shop").mkdir(parents=True)
    (source / "shop/mark.svg").write_text("<svg/>")
    (source / STYLE).write_text("a { background: url(mark.svg) } b { background: url(not_there.png) }" + " " * 1_000)
    (source / "shop/script.js").write_text("let a\n//# sourceMappingURL=script.js.map\n")
    with override_settings(STATICFILES_DIRS=[source, *settings.STATICFILES_DIRS]):
        yield source


def started(path: str, **headers: str) -> HttpResponse:
    """What a page process that starts now answers."""

    def nothing(_: HttpRequest) -> HttpResponse:
        raise Http404

    return ServeStaticFiles(nothing)(RequestFactory().get(path, headers=headers))


def name_after_start(path: str) -> str:
    with override_settings(STATIC_ROOT=collected()):
        return static(path)


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_where_nothing_was_collected_names_are_plain_and_answered(files: Path) -> None:
    assert collected() is None
    assert [name_after_start(name) for name in (STYLE, "no/such.css")] == [f"/static/{STYLE}", "/static/no/such.css"]
    answer = started(f"/static/{STYLE}")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "max-age=60, public")


def test_a_collected_file_is_compressed_kept_for_good_and_names_others_by_their_hash(files: Path) -> None:
    collect()
    with override_settings(STATIC_ROOT=collected()):
        address, mark = static(STYLE), static("shop/mark.svg").rpartition("/")[2]
        answer, plain = started(address, accept_encoding="gzip"), started(address)
        assert re.fullmatch(r"/static/shop/style\.[0-9a-f]{12}\.css", address)
        assert {each.headers["Cache-Control"] for each in (answer, plain)} == {FOREVER}
        assert (answer.headers["Content-Encoding"], answer.headers["Vary"]) == ("gzip", "Accept-Encoding")
        text = body(plain)
        assert gzip.decompress(body(answer)) == text
        assert text.startswith(b'a { background: url("%s") } b { background: url(not_there.png) }' % mark.encode())
        assert body(started(static("shop/script.js"))).endswith(b"//# sourceMappingURL=script.js.map\n")
        assert started(f"/static/{STYLE}").headers["Cache-Control"] == "max-age=60, public"
        assert static("no/such.css") == "/static/no/such.css"
        with override_settings(DEBUG=True):
            assert static(STYLE) == f"/static/{STYLE}"


def test_a_start_after_a_change_serves_the_new_name(files: Path) -> None:
    collect()
    before, first = collected(), name_after_start(STYLE)
    collect()
    assert (collected(), name_after_start(STYLE)) == (before, first)  # nothing changed
    (files / STYLE).write_text("b {}")
    collect()
    second = name_after_start(STYLE)
    assert second != first
    with override_settings(STATIC_ROOT=collected()):
        assert body(started(second)) == b"b {}"
    (files / STYLE).write_text("c {}  ")
    collect()
    kept = {path.name for path in static_directory().iterdir()}
    assert len(kept) == 3  # this one, the one before it for processes that still run, and which is current
    assert before is not None
    assert before.name not in kept


def test_a_collection_that_broke_off_is_not_served(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collect()
    before = collected()
    (files / STYLE).write_text("b {}")
    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", lambda *_: (_ for _ in ()).throw(OSError("no space left")))
        with pytest.raises(OSError, match="no space left"):
            collect()
    assert collected() == before
    assert [path for path in static_directory().iterdir() if path.name.startswith(collecting.DRAFT)] != []
    collect()
    assert collected() != before
    assert [path for path in static_directory().iterdir() if path.name.startswith(collecting.DRAFT)] == []


def test_two_that_collect_at_once_make_one_collection(files: Path) -> None:
    program = (
        "import django; django.setup(); from omixa_billing.static_files.collect import collect; collect(); "
        "from omixa_billing.static_files.folder import collected; print(collected())"
    )
    outputs: list[str] = []

    def run() -> None:
        done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
        outputs.append(done.stdout or done.stderr)

    both = [threading.Thread(target=run) for _ in range(2)]
    for each in both:
        each.start()
    for each in both:
        each.join()
    assert outputs == [f"{collected()}\n"] * 2
    assert len(list(static_directory().iterdir())) == 2


def test_clients_of_tests_find_the_files_once_and_again_when_a_test_has_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Client().get("/healthz")
    asked: list[int] = []
    monkeypatch.setattr(finders.FileSystemFinder, "list", lambda *_: iter(asked.append(1) or ()))
    for _ in range(2):
        with override_settings(STATICFILES_DIRS=[tmp_path]):
            Client().get("/healthz")
    for _ in range(3):
        Client().get("/healthz")
    assert len(asked) == 2
