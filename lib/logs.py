"""Logs: one structured line per event on stderr, with every secret masked before any handler sees it.

``redact`` masks what looks like a key or a token in free text. The pipeline applies it to each value of an
event and, through the record factory, to whatever uvicorn, httpx, Streamlit, Alembic or any other library logs.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

MASK = "***"
_SHORTEST_KNOWN = 6  # a shorter "secret" would blank ordinary words
_DEEPEST = 6  # levels of a nested value that are written out

_SHAPES: tuple[str, ...] = (
    r"(?<![A-Za-z0-9])(?P<keep>sk-(?:ant-|proj-|or-|svcacct-)?+)(?!\*\*\*)[A-Za-z0-9_*-]{8,}",
    r"(?<![A-Za-z0-9])(?P<keep>AIza)[A-Za-z0-9_*-]{16,}",
    r"(?<![A-Za-z0-9])(?P<keep>(?:hf|gsk|r8|fw|pk|rk|csk|gh[pousr]|github_pat|glpat|tgp_v1|sbp|sb_secret)[_-])[A-Za-z0-9_*-]{8,}",
    r"(?<![A-Za-z0-9])(?P<keep>xai-|pplx-|nvapi-|xox[a-z]-|ya29\.)[A-Za-z0-9_*.-]{8,}",
    r"(?<![A-Za-z0-9])(?P<keep>AKIA|ASIA)[A-Z0-9]{12,}",
    r"(?<![\w-])(?P<keep>eyJ)[\w-]{8,}\.[\w-]{4,}(?:\.[\w-]*)?",
)
"""Secrets known by their form; ``keep`` stays, so that a reader still sees which kind of key it was."""

_NAMED = (
    r"api[-_ ]?key|apikey|secret[-_ ]?key|client[-_]secret|encryption[-_]?key|service[-_]role[-_]key|private[-_ ]?key"
    r"|secret|password|passwd|passphrase|(?:proxy-)?authorization|credentials?|\btoken|[-_]token"
)
_BETWEEN = r"""(?:[ ]provided|[ ]used|[ ]given)?(?:\\*["'])?\s*(?:[:=]|(?<=["'])\s*,)\s*+(?:b?\\*["'])?+"""
_PLAIN_WORDS = (
    r"(?:bearer|basic|none|null|true|false|required|missing|invalid|unset|auth\w*|tokens?|scheme|headers?|realm|errors?|is|was|not)\b"
)

_CONTEXTS: tuple[str, ...] = (
    r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    r"(?P<keep>postgres(?:ql)?(?:\+\w+)?://[^\s:/@\"']*:)[^\s\"']{1,512}(?=@)",
    r"(?P<keep>://[^\s:/@\"']*:)[^\s/\"']{1,512}(?=@)",
    rf"(?P<keep>\b(?:bearer|basic)\s+)(?!{_PLAIN_WORDS})[^\s\"',;<>\\]{{6,}}",
    r"(?P<keep>\bcookie\b[\"']?\s*[:=,]\s*+b?+[\"']?+)(?!\*\*\*)[^\r\n\"']+",
    r"(?P<keep>[?&](?:key|api[-_]?key|sig|signature|code|token|access_token)=)[^&\s\"'#]+",
    rf"(?P<keep>(?:{_NAMED}){_BETWEEN}(?:(?:bearer|basic|token)\s+)?)"
    rf"(?!\*\*\*|{_PLAIN_WORDS})(?:(?<=[\"'])[^\"'\\]{{1,512}}|[^\s\"',;&)}}\]<>\\]{{4,}})",
)
"""Secrets known by what stands before them: a URL's password, a header, a query parameter, a name."""

_PATTERNS: tuple[re.Pattern[str], ...] = (
    *(re.compile(p, re.IGNORECASE | re.DOTALL) for p in _CONTEXTS),
    *(re.compile(p) for p in _SHAPES),
)
_SECRET_FIELD = re.compile(
    rf"^(?:x[-_])?(?:{_NAMED}|token|(?:set[-_])?cookie|.*_(?:api_key|password|secret|token)|database_url|analytics_url)$", re.IGNORECASE
)
_QUIET: Mapping[str, int] = {"httpx": logging.WARNING, "httpcore": logging.WARNING, "alembic": logging.WARNING, "watchdog": logging.WARNING}
"""Libraries that narrate each step: they speak from these levels on, whatever LOG_LEVEL says."""


def redact(text: str, *known: str) -> str:
    """Mask keys, tokens and passwords in free text; ``known`` are exact values to mask as well.

    Idempotent. A key keeps its telling prefix: ``sk-ant-***``.
    """
    for value in known:
        if len(value) >= _SHORTEST_KNOWN:
            text = text.replace(value, MASK)
    for pattern in _PATTERNS:
        text = pattern.sub(_masked, text)
    return text


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return a logger whose events become one line each: ``log.info("call.started", request_id=…)``."""
    return cast(
        structlog.stdlib.BoundLogger,
        structlog.wrap_logger(
            logging.getLogger(name),
            processors=[structlog.stdlib.filter_by_level, *_SHARED, _hand_over],
            wrapper_class=structlog.stdlib.BoundLogger,
            cache_logger_on_first_use=True,
        ),
    )


def configure(level: str, stream: TextIO | None = None, *, secrets: Iterable[str] = ()) -> None:
    """Send every log line of the process to ``stream`` (stderr), JSON unless it is a terminal.

    ``level`` is the least severe one written. ``secrets`` are exact values to mask, such as the configured keys.
    Calling it again replaces the earlier set-up and takes in the loggers that libraries have added since.
    """
    stream = stream or sys.stderr
    known = tuple(secrets)
    handler = _Handler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                lambda _logger, _method, event: _clean(event, known),
                _key_values if stream.isatty() else _json_line,
            ],
        )
    )
    logging.setLogRecordFactory(lambda *args, **kwargs: _redacted(logging.LogRecord(*args, **kwargs), known))
    root = logging.getLogger()
    for old in [h for h in root.handlers if type(h) in (_Handler, logging.StreamHandler)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    _take_over_libraries()
    _take_over_hooks()
    for name, floor in _QUIET.items():
        logging.getLogger(name).setLevel(max(floor, root.level))


def _take_over_libraries() -> None:
    """Remove the console handlers that Streamlit and uvicorn put on their own loggers, so each event is one line, once."""
    for logger in list(logging.root.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            for handler in [h for h in logger.handlers if type(h) is logging.StreamHandler]:
                logger.removeHandler(handler)
                logger.propagate = True


def _take_over_hooks() -> None:
    """Log what nobody caught, in a thread or at the end of the process, where Python would print it unmasked."""
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or issubclass(kind, SystemExit):
        return
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    get_logger("uncaught").error("error.uncaught", thread=threading.current_thread().name, exc_info=(kind, error, trace))


class _Handler(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:
        """Say that a line was lost without the record's arguments, which are not masked yet; a closed pipe says nothing."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError) and not self.stream.closed:
            line = json.dumps({"level": "error", "event": "log.failed", "logger": record.name, "error": type(error).__name__})
            self.stream.write(line + self.terminator)


def _redacted(record: logging.LogRecord, known: tuple[str, ...]) -> logging.LogRecord:
    """Mask a record as it is made: handlers this module does not own write it too."""
    if isinstance(record.msg, Mapping) and not record.args:
        return record  # an event of get_logger's, masked by its own chain
    record.msg = redact(str(record.msg), *known)
    if isinstance(record.args, tuple):
        record.args = tuple(_argument(a, known) for a in record.args)
    elif isinstance(record.args, Mapping):
        record.args = {name: _argument(a, known) for name, a in record.args.items()}
    if record.exc_info and record.exc_info[0] is not None:
        record.exc_text = redact("".join(traceback.format_exception(*record.exc_info)).rstrip("\n"), *known)
    if record.stack_info:
        record.stack_info = redact(record.stack_info, *known)
    return record


def _argument(value: object, known: tuple[str, ...]) -> object:
    return value if value is None or isinstance(value, int | float) else redact(str(value), *known)


def _hand_over(logger: Any, method: str, event: EventDict) -> tuple[tuple[EventDict], dict[str, Any]]:
    """Pass a masked event to logging without its exc_info: the masked text is in the event, the exception itself is not masked."""
    args, kwargs = structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, method, event)
    return args, {**kwargs, "exc_info": None}


def _clean(event: EventDict, known: tuple[str, ...] = ()) -> EventDict:
    return {str(name): MASK if _is_secret(name, value) else _plain(value, known) for name, value in event.items() if name[:1] != "_"} | {
        name: value for name, value in event.items() if name in ("_record", "_from_structlog")
    }


def _is_secret(name: object, value: object) -> bool:
    return value is not None and isinstance(name, str) and not isinstance(value, bool | int | float) and bool(_SECRET_FIELD.match(name))


def _plain(value: object, known: tuple[str, ...], depth: int = 0) -> Any:
    """Return a value as JSON can carry it, masked; an object is written as its str()."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {str(k): MASK if _is_secret(k, v) else _plain(v, known, depth + 1) for k, v in value.items()}
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, known, depth + 1) for item in value]
    return redact(str(value), *known)


def _json_line(_logger: Any, _method: str, event: EventDict) -> str:
    return json.dumps(_ordered(event), ensure_ascii=False, default=str)


def _key_values(_logger: Any, _method: str, event: EventDict) -> str:
    return " ".join(f"{name}={_word(value)}" for name, value in _ordered(event).items())


def _word(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if re.fullmatch(r"[\w./:@+*%$-]+", text) else json.dumps(value, ensure_ascii=False)


def _ordered(event: EventDict) -> EventDict:
    first = {name: event[name] for name in ("time", "level", "logger", "event") if name in event}
    return first | {name: value for name, value in event.items() if name not in first}


def _masked(match: re.Match[str]) -> str:
    return match["keep"] + MASK


_SHARED: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    lambda _logger, _method, event: _clean(event),
)
