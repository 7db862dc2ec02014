"""Long work outside a request: asked for, taken up by a worker, followed, canceled, and never done twice.

The queue is django-q's, in the same database, so that a job is queued exactly when its row is committed.
What it hands out at least once is claimed here exactly once: a worker owns a job as long as it gives signs
of life, and a job whose owner fell silent goes back to the queue.
"""

import hashlib
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.module_loading import import_string

from studies.actions.audit import record_event, study_chain
from studies.models import Job, JobWorker, Study, User
from studies.models.job import UNFINISHED
from studies.terms import JobKind, JobState, ReportView

# Kind -> what does it, by name as the queue takes it: called with the job and its progress, returns a message.
WORK = {JobKind.REPORT: "studies.reports.stored.build_for_job"}
MOST_ATTEMPTS = 3
BEAT_SECONDS = 5
SILENT = timedelta(seconds=30)
KEPT = timedelta(days=1)

logger = logging.getLogger(__name__)
HOST = socket.gethostname()[:100]
_this_worker = f"{HOST}:{os.getpid()}"


class JobRefused(Exception):
    """The work cannot be done; the message says why, in the user's words."""


class JobCanceled(Exception):
    """Somebody canceled the job while it ran."""


class JobLost(Exception):
    """The job belongs to another worker by now."""


def ask_for_job(
    study: Study, kind: JobKind, view: ReportView, parameters: dict[str, Any], *, actor: User, at: datetime
) -> Job:
    """The job for this work: the one under way, or a new one at the end of the queue."""
    digest = hashlib.sha256(json.dumps([view, parameters], sort_keys=True).encode()).hexdigest()
    same = Job.objects.filter(study=study, kind=kind, parameters_sha256=digest, state__in=UNFINISHED)
    if found := same.first():
        return found
    try:
        with transaction.atomic():
            job = Job.objects.create(study=study, kind=kind, view=view, parameters=parameters,
                                     parameters_sha256=digest, asked_by=actor, asked_at=at)  # fmt: skip
            record_event("asked for a job", job, actor=actor, at=at, chain=study_chain(study), study=study,
                         new={"kind": str(kind), "view": str(view)})  # fmt: skip
            _queue(job.pk)
    except IntegrityError:  # another person asked in the same moment
        return same.get()
    return job


@transaction.atomic
def cancel_job(job: Job, *, actor: User, at: datetime) -> None:
    """Take a waiting job back, or ask its worker to stop at the next step. A finished one stays as it is."""
    current = Job.objects.select_for_update().get(pk=job.pk)
    if not current.is_under_way or current.wants_cancel:
        return
    current.wants_cancel = True
    if current.state == JobState.WAITING:
        current.state, current.finished_at = JobState.CANCELED, at
    current.save(update_fields=["wants_cancel", "state", "finished_at"])
    record_event("canceled a job", current, actor=actor, at=at, chain=study_chain(job.study), study=job.study)


class Progress:
    """What a job tells of itself while it runs; each step is also where a cancellation is heard."""

    def __init__(self, job: Job):
        self.job = job

    def between(self, low: int, high: int, words: str = "{}") -> Callable[[str, float], None]:
        """For work that tells its parts itself, as shares of 1: they lie between the two percents, told in `words`."""
        return lambda part, share: self.step(words.format(part), round(low + (high - low) * share))

    def step(self, name: str, percent: int) -> None:
        """Raises JobCanceled, and JobLost where the job was handed to another worker."""
        if not _mine(self.job).update(step=name, percent=percent):
            raise JobLost
        if Job.objects.values_list("wants_cancel", flat=True).get(pk=self.job.pk):
            raise JobCanceled


def run_job(key: int) -> None:
    """What the queue calls. A job that is finished, or that a living worker has, is left alone."""
    rescue_jobs(timezone.now())
    waiting = Job.objects.filter(pk=key, state=JobState.WAITING)
    if not waiting.update(
        state=JobState.RUNNING, worker=_this_worker, step="Starting", percent=0, attempts=F("attempts") + 1
    ):
        return
    job = Job.objects.select_related("study", "asked_by").get(pk=key)
    try:
        _finish(job, JobState.DONE, import_string(WORK[JobKind(job.kind)])(job, Progress(job)))
    except JobLost:
        logger.warning("job %s was handed to another worker", key)
    except JobCanceled:
        _finish(job, JobState.CANCELED, "")
    except JobRefused as refused:
        _finish(job, JobState.FAILED, str(refused))
    except SystemExit:  # how the queue ends what took longer than JOB_TIMEOUT_SECONDS
        _finish(job, JobState.FAILED, "It took longer than this server allows and was stopped.")
        raise
    except Exception:
        logger.exception("job %s failed", key)
        _finish(job, JobState.FAILED, f"The program failed. The server's log tells more, under job {key}.")


def rescue_jobs(now: datetime) -> None:
    """Give jobs whose worker is gone back to the queue; one that outlived too many workers has failed."""
    alive = {worker.name for worker in living_workers(now)}
    for job in Job.objects.filter(state=JobState.RUNNING).exclude(worker__in=alive):
        with transaction.atomic():
            still = Job.objects.filter(pk=job.pk, state=JobState.RUNNING, worker=job.worker)
            if job.wants_cancel:
                still.update(state=JobState.CANCELED, finished_at=now)
            elif job.attempts >= MOST_ATTEMPTS:
                message = f"Its worker died {job.attempts} times, at: {job.step}. Ask for it again, or tell "
                still.update(state=JobState.FAILED, finished_at=now, message=message + "an administrator.")
            elif still.update(state=JobState.WAITING, worker="", step="Taken up again", percent=0):
                _queue(job.pk)
    JobWorker.objects.filter(seen_at__lt=now - KEPT).delete()


def living_workers(now: datetime) -> list[JobWorker]:
    """Workers heard of lately; of this machine's, those whose process is there."""
    heard = JobWorker.objects.filter(seen_at__gte=now - SILENT)
    return [worker for worker in heard if worker.host != HOST or _runs(worker.pid)]


def running_here(parent_pid: int) -> list[int]:
    """Process ids of this machine's workers, children of `parent_pid`, that have a job in hand."""
    busy = Job.objects.filter(state=JobState.RUNNING).values("worker")
    workers = JobWorker.objects.filter(host=HOST, parent_pid=parent_pid, name__in=busy)
    return list(workers.values_list("pid", flat=True))


def begin_to_beat(**_signal: Any) -> None:
    """Called in each worker process as it starts: give signs of life from a thread, as long as it lives."""
    global _this_worker
    _this_worker = f"{HOST}:{os.getpid()}:{secrets.token_hex(4)}"
    beat()
    threading.Thread(target=_beat_for_ever, daemon=True).start()


def beat() -> None:
    now = timezone.now()
    here = {"host": HOST, "pid": os.getpid(), "parent_pid": os.getppid(), "seen_at": now}
    JobWorker.objects.update_or_create(name=_this_worker, defaults=here)
    rescue_jobs(now)


def _beat_for_ever() -> None:
    while True:
        time.sleep(BEAT_SECONDS)
        try:
            beat()
        except DatabaseError as error:  # busy, or away for a moment: the next beat tells
            logger.warning("no sign of life could be given: %s", error)
        finally:
            connection.close()


def _mine(job: Job):
    return Job.objects.filter(pk=job.pk, state=JobState.RUNNING, worker=_this_worker)


def _finish(job: Job, state: JobState, message: str) -> None:
    percent = {"percent": 100} if state == JobState.DONE else {}
    _mine(job).update(state=state, message=message, finished_at=timezone.now(), **percent)


def _queue(key: int) -> None:
    from django_q.tasks import async_task

    async_task("studies.actions.jobs.run_job", key)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
