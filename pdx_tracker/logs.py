"""Log lines as JSON, for a collector: what happened and where, never what somebody typed."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """One object a line. An exception's text may repeat a value of the record, so only its kind and place are told."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": str(record.msg) if record.exc_info else record.getMessage(),
        }
        if status := getattr(record, "status_code", None):
            line["status"] = status
        # Whom the request was found to be, by number; not looked up here, where the database may be what failed.
        if (user := getattr(getattr(record, "request", None), "_cached_user", None)) and user.pk:
            line["user"] = user.pk
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["place"] = _place(record.exc_info[2])
        return json.dumps(line, default=str)


def _place(trace) -> str:
    """ "file:line" of where the exception was raised."""
    if trace is None:
        return ""
    while trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
