"""One event a line, whoever wrote its words; no secret in it."""

from __future__ import annotations

import contextvars
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pileus.kernel import log
from pileus.kernel.config import Log

TOKEN = "gAAAAABnV0Jd9Zb3cJ0a1rH2k5m8x7Qw_-QpLz4T"


def record(message: str, *args: object, facts: object = None, error: BaseException | None = None) -> logging.LogRecord:
    info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("pileus.test", logging.WARNING, __file__, 1, message, args, info)
    made.created = 1_767_225_600.0
    if facts is not None:
        made.facts = facts
    return made


def text(*args: object, **more: object) -> str:
    return log.TextFormat().format(record(*args, **more))


def parsed(*args: object, **more: object) -> dict[str, object]:
    line = log.JsonFormat().format(record(*args, **more))
    assert "\n" not in line
    return json.loads(line)


@pytest.fixture
def logger(tmp_path: Path) -> Iterator[tuple[logging.Logger, Path]]:
    """A logger of its own that writes JSON into a file."""
    writer = log.Writer(str(tmp_path / "log"))
    writer.setFormatter(log.JsonFormat())
    made = logging.Logger("pileus.test")
    made.addHandler(writer)
    yield made, tmp_path / "log"
    writer.close()


def test_the_text_form() -> None:
    line = text(
        "The host %s is back.", "h1", facts={"host": "h1", "debts": 3, "why": 'two "words"', "up": True, "x": None}
    )
    assert line == (
        "2026-01-01T00:00:00.000000Z WARNING pileus.test The host h1 is back. "
        'host=h1 debts=3 why="two \\"words\\"" up=true x=null'
    )


def test_the_json_form() -> None:
    assert parsed(
        "Hello %d", 7, facts={"list": [1, "a"], "set": {2}, "blob": b"abc", "deep": {"n": 1.5}, "id": UUID(int=7)}
    ) == {
        "time": "2026-01-01T00:00:00.000000Z",
        "level": "warning",
        "logger": "pileus.test",
        "message": "Hello 7",
        "facts": {"list": [1, "a"], "set": [2], "blob": "<3 bytes>", "deep": {"n": 1.5}, "id": str(UUID(int=7))},
    }


def test_the_ids_of_the_request_are_in_its_events() -> None:
    def inside() -> None:
        log.request_id.set("req-1")
        assert "[req-1] Hello" in text("Hello")
        log.global_request_id.set("req-2")
        assert "[req-1 req-2] Hello" in text("Hello")
        assert (parsed("x")["request_id"], parsed("x")["global_request_id"]) == ("req-1", "req-2")

    contextvars.copy_context().run(inside)
    assert "request_id" not in parsed("x")


def test_an_error_is_told_in_the_same_line() -> None:
    try:
        raise RuntimeError("line one\nline two")
    except RuntimeError as e:
        seen = e
    assert "line one\nline two" in str(parsed("Broke.", error=seen)["error"])
    line = text("Broke.", error=seen)
    assert "\n" not in line
    assert 'error="Traceback' in line
    assert "line one\\nline two" in line


@example("\ud800")
@given(st.text(st.characters(codec=None)))
def test_no_text_forges_a_line(hostile: str) -> None:
    for line in (
        text("%s", hostile, facts={"a": hostile, hostile: 1}),
        log.JsonFormat().format(record("%s", hostile, facts={hostile: hostile})),
    ):
        line.encode()
        assert len(line.splitlines()) == 1
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in line)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "admin_pass",
        "adminPass",
        "OS-PASSWORD",
        "X-Auth-Token",
        "x-subject-token",
        "private_key",
        "key",
        "apiKey",
        "fernet_keys",
        "secret",
        "client_secret",
        "Authorization",
        "Set-Cookie",
        "credentials",
        "user.password",
        "trustToken",
    ],
)
def test_what_is_named_like_a_secret_is_hidden_at_any_depth(name: str) -> None:
    for facts in ({name: "hunter2"}, {"body": [{name: "hunter2"}]}):
        assert "hunter2" not in text("x", facts=facts)
        assert "hunter2" not in json.dumps(parsed("x", facts=facts))


@pytest.mark.parametrize(
    "name",
    [
        "password_file",
        "key_name",
        "token_id",
        "monkey",
        "keypair",
        "passengers",
        "compass",
        "public_key",
        "user",
        "secretary",
    ],
)
def test_what_is_not_a_secret_is_shown(name: str) -> None:
    assert parsed("x", facts={name: "plain"})["facts"] == {name: "plain"}


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (f"The token {TOKEN} has expired", "The token *** has expired"),
        ("connect postgresql://cloud:hunter2@db/pileus failed", "connect postgresql://cloud:***@db/pileus failed"),
        ('{"password": "hunter2 and \\" more", "name": "a"}', '{"password": ***, "name": "a"}'),
        ("{'adminPass': 'hunter2'}", "{'adminPass': ***}"),
        ("login?user=a&password=hunter2&x=1", "login?user=a&password=***&x=1"),
        ("X-Auth-Token: hunter2", "X-Auth-Token: ***"),
        ("('Authorization', 'x') Authorization: Bearer hunter2", "***"),
        ("-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\nend", "-----BEGIN PRIVATE KEY-----***\nend"),
        ("-----BEGIN EC PRIVATE KEY-----\nhunter2 cut", "-----BEGIN EC PRIVATE KEY-----***"),
        ("http://[::1]:9999/identity as a@b", "http://[::1]:9999/identity as a@b"),
        ("No secrets here", "No secrets here"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(said: str, kept: str) -> None:
    shown = log.without_secrets(said)
    assert "hunter2" not in shown
    assert shown.endswith(kept)
    assert "hunter2" not in text("%s", said, facts={"what": said}, error=ValueError(said))


def test_a_file_is_private_and_complete(logger: tuple[logging.Logger, Path]) -> None:
    log_, path = logger
    for n in range(300):
        log_.info("event %d", n)
    log_.handlers[0].close()
    log_.handlers[0].close()  # twice is fine
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == [f"event {n}" for n in range(300)]


@pytest.mark.parametrize("how", ["renamed", "replaced"])
def test_a_file_that_was_moved_away_is_made_anew(logger: tuple[logging.Logger, Path], how: str) -> None:
    log_, path = logger
    path.rename(path.with_suffix(".1"))
    if how == "replaced":
        path.touch()
    log_.info("after")
    log_.handlers[0].close()
    assert "after" in path.read_text()
    assert path.with_suffix(".1").read_text() == ""


def test_a_message_that_does_not_fit_its_arguments_hurts_nobody(
    logger: tuple[logging.Logger, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    log_, path = logger
    log_.info("%d", "no number")
    log_.info("next")
    log_.handlers[0].close()
    assert "--- Logging error ---" in capsys.readouterr().err
    assert [json.loads(line)["message"] for line in path.read_text().splitlines()] == ["next"]


def test_lines_that_cannot_be_written_in_time_are_dropped_and_counted(tmp_path: Path) -> None:
    """A reader that does not read: the writer's thread stands still, the program does not."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    writer = log.Writer(str(fifo))
    writer.setFormatter(logging.Formatter("%(message)s"))
    for n in range(3 * log.BACKLOG):
        writer.emit(record(f"{n:0100}"))
    os.set_blocking(reader, True)
    closing = Thread(target=writer.close)
    closing.start()
    with open(reader) as lines:
        seen = lines.read()
    closing.join()
    writer_said = [line for line in seen.splitlines() if "were dropped" in line]
    kept = [line for line in seen.splitlines() if "dropped" not in line]
    assert len(kept) < 3 * log.BACKLOG
    assert sum(int(line.split()[0][1:]) for line in writer_said) + len(kept) == 3 * log.BACKLOG


def test_a_log_that_cannot_be_written_at_all_stops_nothing(tmp_path: Path) -> None:
    writer = log.Writer("/dev/full")
    writer.setFormatter(logging.Formatter("%(message)s"))
    writer.emit(record("lost"))
    writer.close()


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back afterwards."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield root
    for handler in list(root.handlers):
        if handler not in before:
            root.removeHandler(handler)
            handler.close()
    root.setLevel(level)


def test_started_it_writes_to_standard_error_what_the_level_lets_through(
    root: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    writer = log.start(Log())
    logging.getLogger("a").info("seen")
    logging.getLogger("a").debug("unseen")
    logging.getLogger("httpx").info("chatter")
    writer.close()
    said = capfd.readouterr().err
    assert "INFO a seen" in said
    assert "unseen" not in said
    assert "chatter" not in said


def test_started_again_it_goes_elsewhere(
    root: logging.Logger, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = logging.NullHandler()
    root.addHandler(other)
    first = log.start(Log())
    second = log.start(Log(file=str(tmp_path / "f"), format="json", level="debug"))
    assert other in root.handlers
    assert first not in root.handlers
    logging.getLogger("a").debug("seen")
    second.close()
    assert capfd.readouterr().err == ""
    assert json.loads((tmp_path / "f").read_text())["message"] == "seen"


def test_a_path_that_cannot_be_opened_is_an_error() -> None:
    with pytest.raises(OSError, match="No such file"):
        log.start(Log(file="/nonexistent/log"))


def test_the_base_format_leaves_the_line_to_its_kinds() -> None:
    with pytest.raises(NotImplementedError):
        log.Format().format(record("x"))
