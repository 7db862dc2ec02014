"""Anchors: how long each audit chain is and how it ends, written down outside the database.

Appended at every signature and backup to a file of the data folder, and wherever else the operator
copies it to. Each line repeats the hash of the line before it and is sealed with AUDIT_KEY; a chain that no
longer reaches what an anchor saw was cut or written anew. A tail that was never anchored leaves no trace.
That a database began its file is an event of its own, so that a file that is gone, or was begun anew, is named.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from studies.actions.audit import GENESIS, INSTALLATION, BrokenLink, record_event
from studies.models import AuditEvent, AuditHead

BEGAN = "began anchors"


@dataclass(frozen=True)
class Anchor:
    """One line: what chains there were (name, length, last hash), of which database, when and at what occasion."""

    at: str
    occasion: str
    database: str
    chains: tuple[tuple[str, int, str], ...]
    previous: str

    @property
    def text(self) -> str:
        content = [self.at, self.occasion, self.database, self.chains, self.previous]
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False)

    @property
    def seal(self) -> str:
        return hmac.new(settings.AUDIT_KEY.encode(), self.text.encode(), hashlib.sha256).hexdigest()

    @property
    def line(self) -> str:
        return json.dumps([self.text, self.seal], ensure_ascii=False)


def anchor_after_commit(occasion: str, at: datetime, chains: Iterable[str]) -> None:
    """Anchor these chains as the caller's transaction leaves them; nothing where it is rolled back."""
    names = sorted(set(chains))
    transaction.on_commit(lambda: write_anchor(occasion, at, names))


def write_anchor(
    occasion: str, at: datetime, chains: Iterable[str] | None = None, *, why_anew: str = ""
) -> Anchor:
    """Append one line, flushed to the disk: of these chains, or of all. Raises OSError.

    `why_anew` says what became of the anchors of before, where they are lost.
    """
    heads = AuditHead.objects.order_by("chain")
    heads = heads if chains is None else heads.filter(chain__in=list(chains))
    with open(_path(), "a+", opener=_owner_only, encoding="utf-8") as file:
        _lock(file)
        previous = _hash_of_last(file)
        if why_anew or previous == GENESIS or not _begun().exists():
            _begin(at, why_anew)
        ends = tuple(heads.values_list("chain", "count", "head"))
        anchor = Anchor(at.isoformat(), occasion, database_name(), ends, previous)
        file.write(anchor.line + "\n")
        file.flush()
        os.fsync(file.fileno())
    return anchor


def _begin(at: datetime, reason: str) -> None:
    """Record that the file begins here; of a record without any event there is nothing to anchor yet."""
    if head := AuditHead.objects.order_by("pk").first():
        told = {"database": database_name(), "file": _path().name}
        with transaction.atomic():
            record_event(BEGAN, head, actor=None, at=at, chain=INSTALLATION, new=told, reason=reason)


def anchors_are_gone() -> bool:
    """Whether this database has begun a file that is no longer there, or is empty."""
    return not (_path().exists() and _path().stat().st_size) and _begun().exists()


def _begun() -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(chain=INSTALLATION, action=BEGAN, new__database=database_name())


def _path() -> Path:
    return Path(settings.AUDIT_ANCHORS)


def database_name() -> str:
    """Which database an anchor speaks of: its own, never a copy restored elsewhere."""
    database = connection.settings_dict
    return f"{connection.vendor}:{database['HOST'] or ''}:{database['NAME']}"


def broken_anchors() -> Iterator[BrokenLink]:
    """Anchors that are lost, were forged or moved, and chains that no longer reach what an anchor saw."""
    yield from _lost_anchors()
    if _path().exists():
        yield from _unfit_anchors(_path())


def _lost_anchors() -> Iterator[BrokenLink]:
    begun = list(_begun().order_by("sequence"))
    if anchors_are_gone():
        reason = f"the anchors begun here are gone: {_path().name} is missing or empty"
        yield BrokenLink(INSTALLATION, begun[-1].sequence, reason)
    last_explained = max((place for place, event in enumerate(begun) if event.reason), default=0)
    for event in begun[last_explained + 1 :]:
        reason = "the anchors began anew here without a reason: those of before were lost"
        yield BrokenLink(INSTALLATION, event.sequence, reason)


def _unfit_anchors(path: Path) -> Iterator[BrokenLink]:
    previous, seen = GENESIS, {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        anchor = _read(line)
        if anchor is None or anchor.previous != previous:
            yield BrokenLink(None, None, f"line {number} of the anchors in {path.name} was changed or moved")
            return
        previous = _hash(line)
        if anchor.database == database_name():
            seen |= {(chain, count): (head, number) for chain, count, head in anchor.chains}
    for (chain, count), (head, number) in sorted(seen.items()):
        if count and not _reaches(chain, count, head):
            reason = f"the chain is not what line {number} of the anchors saw: it was cut or written anew"
            yield BrokenLink(chain, count, reason)


def _reaches(chain: str, count: int, head: str) -> bool:
    return AuditEvent.objects.filter(chain=chain, sequence=count, hash=head).exists()


def _read(line: str) -> Anchor | None:
    try:
        text, seal = json.loads(line)
        at, occasion, database, chains, previous = json.loads(text)
        ends = tuple((chain, count, head) for chain, count, head in chains)
    except (ValueError, TypeError):
        return None
    anchor = Anchor(at, occasion, database, ends, previous)
    return anchor if hmac.compare_digest(anchor.seal, seal) else None


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _hash_of_last(file: Any) -> str:
    file.seek(0)
    lines = file.read().splitlines()
    return _hash(lines[-1]) if lines else GENESIS


def _owner_only(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _lock(file: Any) -> None:
    """Of two processes that anchor at once one waits; released as the file is closed."""
    import fcntl

    fcntl.flock(file, fcntl.LOCK_EX)
