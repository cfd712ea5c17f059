"""Events as lines: text for people or JSON for machines, one event a line, without secrets.

    log = logging.getLogger(__name__)
    log.info("The host is back.", extra={"facts": {"host": host.name, "debts": 3}})

`facts` are what a machine may search for. The ids of the request that is being answered are added by themselves. What
comes from outside cannot forge a line: control characters are escaped, in tracebacks too. Whatever is named or looks
like a secret is replaced by ***.

Lines are written by a thread: a slow disk or a full pipe never holds up the event loop. More than BACKLOG lines behind,
new ones are dropped and counted.
"""

from __future__ import annotations

import logging
import os
import re
import sys
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from threading import Event, Thread
from typing import Any

import msgspec

from pileus.kernel.clock import iso
from pileus.kernel.config import Log

request_id: ContextVar[str] = ContextVar("request_id", default="")
global_request_id: ContextVar[str] = ContextVar("global_request_id", default="")

BACKLOG = 10_000
GATHER_S = 0.01
HIDDEN = "***"
HIDDEN_WORDS = (
    "password|passwords|passwd|pass|adminpass|passcode|secret|secrets|token|tokens|key|keys"
    "|credential|credentials|authorization|cookie"
)
SECRET_NAME = re.compile(rf"(?:^|[^a-z0-9])(?:{HIDDEN_WORDS})$|(?-i:[a-z](?:Pass|Password|Secret|Token|Key))$", re.I)
PUBLIC_NAMES = frozenset({"public_key", "quota_key", "sort_key", "sort_keys", "action_key", "idempotency_key"})
SECRETS_IN_TEXT = re.compile(
    r"(?P<token>gAAAAA[\w-]{20,}={0,2})"
    r"|(?P<url>://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)"
    r"|(?P<pem>-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
    r"|(?P<header>(?:x-(?:auth|subject|service)-token|authorization|set-cookie|cookie)['\"]?\s*[:=,]\s*)[^\r\n'\"\]})]+"
    r"|(?P<pair>(?:password|passwd|adminpass|secret|passphrase|private_key|token)['\"]?\s*[:=]\s*)"
    r"(?:\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|[^\s,;&'\")\]}]+)",
    re.I,
)
UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]")
ENDS_LINES = re.compile(r"[\x7f-\x9f\u2028\u2029]")  # what JSON leaves as it is
PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\\]+")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


@lru_cache(maxsize=1024)
def names_a_secret(name: str) -> bool:
    """Whether a value of this name is never shown: its last word says so (`admin_pass`, not `password_file`)."""
    return name.lower() not in PUBLIC_NAMES and SECRET_NAME.search(name) is not None


def may_hold_a_secret(text: str) -> bool:
    """False for what the search below could find nothing in: most texts, and the search costs more than all the rest."""
    return ":" in text or "=" in text or "," in text or "-----" in text or "gaaaaa" in text.lower()


def without_secrets(text: str) -> str:
    """The text, with what looks like a token, a password or a private key replaced by ***."""
    if not may_hold_a_secret(text):
        return text
    return SECRETS_IN_TEXT.sub(lambda m: (m["url"] or m["pem"] or m["header"] or m["pair"] or "") + HIDDEN, text)


def shown(value: Any) -> Any:
    """A fact as it may be shown: numbers as they are, secrets hidden at any depth, anything else as text."""
    if type(value) is str:  # what nearly all of them are: first, for each request tells a dozen
        return without_secrets(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Mapping):
        return {str(k): HIDDEN if names_a_secret(str(k)) else shown(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [shown(v) for v in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{len(value)} bytes>"
    return without_secrets(str(value))


def one_line(text: str) -> str:
    r"""The text without a character that could end a line or move a cursor: `\n`, `\x1b`, ... as escapes."""
    if text.isprintable() and "\\" not in text:
        return text
    return UNSAFE.sub(lambda m: m[0].encode("unicode_escape").decode(), text)


class Format(logging.Formatter):
    """A record as its parts; a subclass puts them in a line."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, Any] = {
            "time": iso(record.created, microseconds=True),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
        }
        for name, variable in (("request_id", request_id), ("global_request_id", global_request_id)):
            if variable.get():
                event[name] = variable.get()
        facts = getattr(record, "facts", None)
        if facts:
            event["facts"] = shown(facts)
        if record.exc_info and record.exc_info[0] is not None:
            event["error"] = without_secrets(self.formatException(record.exc_info))
        return self.line(event)

    def line(self, event: dict[str, Any]) -> str:
        """One line without its end."""
        raise NotImplementedError


class JsonFormat(Format):
    """One JSON object a line: time, level, logger, message; request_id, global_request_id, facts, error if there are."""

    def line(self, event: dict[str, Any]) -> str:
        try:
            text = msgspec.json.encode(event).decode()
        except UnicodeEncodeError:  # a lone surrogate, which is no text
            text = msgspec.json.encode(printable(event)).decode()
        if text.isascii() and "\x7f" not in text:
            return text
        return ENDS_LINES.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


class TextFormat(Format):
    """2026-01-31T12:00:00.000000Z WARNING pileus.kernel.db [req-...] The message. name=value other="two words"."""

    def line(self, event: dict[str, Any]) -> str:
        ids = " ".join(one_line(event[name]) for name in ("request_id", "global_request_id") if name in event)
        parts = [event["time"], event["level"].upper(), one_line(event["logger"]), *([f"[{ids}]"] if ids else [])]
        parts.append(one_line(event["message"]))
        parts += [f"{fact_name(k)}={quoted(v)}" for k, v in event.get("facts", {}).items()]
        if "error" in event:
            parts.append(f"error={quoted(event['error'])}")
        return " ".join(parts)


def quoted(value: Any) -> str:
    """A value of the text format: bare when it is one plain word, else as a JSON string."""
    if isinstance(value, str):
        return quoted_text(value)
    if isinstance(value, (int, float)):
        return msgspec.json.encode(value).decode()
    return quoted_text(msgspec.json.encode(printable(value)).decode())


@lru_cache(maxsize=1024)
def fact_name(name: str) -> str:
    """The name of a fact, in the text format."""
    return one_line(name)


@lru_cache(maxsize=4096)  # the same few words come with each request; what is a secret has been taken out before
def quoted_text(text: str) -> str:
    if PLAIN.fullmatch(text):
        return text
    return '"' + one_line(text).replace('"', '\\"') + '"'


def printable(value: Any) -> Any:
    """The same value, its texts encodable as UTF-8."""
    if isinstance(value, dict):
        return {printable(k): printable(v) for k, v in value.items()}
    if isinstance(value, list):
        return [printable(v) for v in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


class Writer(logging.Handler):
    """Writes lines to a file (mode 0600; made anew when somebody moved it away) or to standard error, in a thread."""

    def __init__(self, path: str = "") -> None:
        super().__init__()
        self._path = path
        self._fd = self._open() if path else sys.stderr.fileno()
        self._lines: deque[str] = deque()
        self._there_are = Event()
        self._ending = Event()
        self._dropped = 0
        self._thread = Thread(target=self._write_all, name="pileus-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if len(self._lines) >= BACKLOG:
                self._dropped += 1
                return
            self._lines.append(self.format(record))
        except (TypeError, ValueError, LookupError):  # the message and its arguments do not fit
            self.handleError(record)
        if not self._there_are.is_set():
            self._there_are.set()

    def close(self) -> None:
        """Return when all lines are written."""
        if self._thread.is_alive():
            self._ending.set()
            self._there_are.set()
            self._thread.join()
            if self._path:
                os.close(self._fd)
        super().close()

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _write_all(self) -> None:
        """What comes within GATHER_S is one write: a thread that wakes for each line costs more than the lines."""
        last = False
        while not last:
            if not self._ending.is_set():
                self._there_are.wait()
            last = self._ending.wait(GATHER_S)
            self._there_are.clear()  # before the lines are taken: one that comes now rings again
            self._write([self._lines.popleft() for _ in range(len(self._lines))])

    def _write(self, lines: list[str]) -> None:
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(f"({dropped} lines were dropped: the log could not be written fast enough)")
        data = memoryview("".join(f"{line}\n" for line in lines).encode(errors="backslashreplace"))
        try:
            self._reopen_if_moved()
            while data:
                data = data[os.write(self._fd, data) :]
        except OSError:  # a full disk or a closed pipe: the cloud goes on without a log
            self._dropped += len(lines)

    def _reopen_if_moved(self) -> None:
        if not self._path:
            return
        try:
            moved = os.stat(self._path).st_ino != os.fstat(self._fd).st_ino
        except FileNotFoundError:
            moved = True
        if moved:
            fresh = self._open()
            os.close(self._fd)
            self._fd = fresh


def start(options: Log) -> Writer:
    """Send what this process logs where `options` say, instead of where it went before. Raises OSError for a bad path."""
    writer = Writer(options.file)
    writer.setFormatter(JsonFormat() if options.format == "json" else TextFormat())
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False  # shown by no format
    logging._srcfile = None  # as is where a call stands; the way that its docs name
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, Writer):
            root.removeHandler(handler)
            handler.close()
    root.addHandler(writer)
    root.setLevel(LEVELS[options.level])
    for name in ("asyncio", "httpx", "httpcore", "sqlalchemy", "alembic"):  # they tell each call at `info`
        logging.getLogger(name).setLevel(logging.WARNING)
    return writer
