"""Long work: queued with its row, claimed once, followed, canceled, and taken up again after a killed worker."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone
from django_q.models import OrmQ

from studies.actions import jobs
from studies.actions.jobs import JobRefused, ask_for_job, cancel_job, living_workers, rescue_jobs, run_job
from studies.management.commands.work import halt
from studies.models import AuditEvent, Job, JobWorker
from studies.terms import JobKind, JobState, ReportView

ROOT = Path(__file__).parent.parent.parent
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def ask(people):
    def ask_as(person=None, **parameters) -> Job:
        return ask_for_job(
            people.study,
            JobKind.REPORT,
            ReportView.OPEN,
            parameters,
            actor=person or people.study_director,
            at=NOON,
        )

    return ask_as


@pytest.fixture
def work(monkeypatch):
    """Call it with what the job shall do instead of a report."""

    def work_is(does) -> None:
        monkeypatch.setattr(jobs, "import_string", lambda name: does)

    return work_is


def after(job: Job) -> Job:
    return Job.objects.get(pk=job.pk)


def test_the_same_work_asked_for_twice_is_one_job_with_one_event(ask, people):
    assert ask(day=21) == ask(people.statistician, day=21)
    assert ask(day=28) != ask(day=21)
    assert OrmQ.objects.count() == 2
    assert AuditEvent.objects.filter(action="asked for a job", object_type="job").count() == 2


def test_a_worker_is_known_by_its_signs_of_life(db, monkeypatch):
    monkeypatch.setattr(jobs, "_this_worker", "here")
    for _ in range(2):
        jobs.beat()
    (worker,) = living_workers(timezone.now())
    assert (worker.name, worker.pid, worker.parent_pid) == ("here", os.getpid(), os.getppid())
    assert living_workers(worker.seen_at + jobs.SILENT) == [worker]
    assert living_workers(worker.seen_at + jobs.SILENT + timedelta(microseconds=1)) == []


def test_a_worker_beats_on_after_a_beat_that_the_database_refused(monkeypatch):
    beats = []

    def beat():
        beats.append(len(beats))
        if beats == [0]:
            raise OperationalError("database is locked")

    def sleep(seconds):
        if len(beats) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "beat", beat)
    monkeypatch.setattr(jobs.time, "sleep", sleep)
    monkeypatch.setattr(jobs.connection, "close", lambda: None)
    with pytest.raises(KeyboardInterrupt):
        jobs._beat_for_ever()


class Cluster:
    """A cluster whose sentinel lives until it was told to stop and waited for once."""

    class Event:
        was_set = False

        def set(self) -> None:
            self.was_set = True

    def __init__(self):
        self.stop_event, self.sentinel, self.pid, self.waited = self.Event(), self, os.getpid(), 0

    def is_alive(self) -> bool:
        return self.waited == 0

    def join(self, seconds: float) -> None:
        assert self.stop_event.was_set
        self.waited += 1


def test_a_cluster_is_told_to_stop_before_it_is_waited_for(db):
    cluster = Cluster()
    halt(cluster)
    assert cluster.waited == 1


def test_a_job_is_queued_only_when_its_row_is_committed(ask):
    with transaction.atomic():
        ask()
        transaction.set_rollback(True)
    assert not Job.objects.exists() and not OrmQ.objects.exists()


def test_each_step_is_written_for_the_page_to_read_and_the_message_kept(ask, work):
    told = []

    def does(job, progress):
        progress.step("Drawing", 40)
        told.append((after(job).state, after(job).step, after(job).percent))
        return "7"

    work(does)
    job = ask()
    run_job(job.pk)
    assert told == [("running", "Drawing", 40)]
    done = after(job)
    assert (done.state, done.message, done.percent, done.attempts) == ("done", "7", 100, 1)
    run_job(job.pk)  # the queue hands out at least once
    assert after(job).attempts == 1


def test_a_refusal_is_told_in_the_users_words_and_a_failure_without_its_insides(ask, work):
    def refuses(job, progress):
        raise JobRefused("Arm A has no mice.")

    def breaks(job, progress):
        raise KeyError("secret")

    for does, message in ((refuses, "Arm A has no mice."), (breaks, "The program failed.")):
        work(does)
        job = ask()
        run_job(job.pk)
        assert after(job).state == "failed" and message in after(job).message
        assert "secret" not in after(job).message


def test_a_waiting_job_is_canceled_at_once_and_a_running_one_at_its_next_step(ask, work, people):
    waiting = ask(day=1)
    cancel_job(waiting, actor=people.statistician, at=NOON)
    run_job(waiting.pk)
    assert after(waiting).state == "canceled" and after(waiting).attempts == 0

    def does(job, progress):
        cancel_job(job, actor=people.statistician, at=NOON)
        cancel_job(job, actor=people.statistician, at=NOON)  # pressed twice
        progress.step("Drawing", 40)
        raise AssertionError("went on")

    work(does)
    running = ask(day=2)
    run_job(running.pk)
    assert after(running).state == "canceled"
    assert AuditEvent.objects.filter(action="canceled a job").count() == 2
    cancel_job(running, actor=people.statistician, at=NOON)
    assert ask(day=2) != running  # may be asked for again


def make_worker(name: str, seen_at: datetime, host: str = "elsewhere") -> JobWorker:
    return JobWorker.objects.create(name=name, host=host, pid=os.getpid(), parent_pid=1, seen_at=seen_at)


def give_to(job: Job, worker: str, **fields) -> None:
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING, worker=worker, **fields)


def test_a_job_of_a_silent_worker_goes_back_to_the_queue_and_one_of_a_living_stays(ask):
    make_worker("lively", NOON - timedelta(seconds=10))
    make_worker("silent", NOON - timedelta(seconds=40))
    one, other = ask(day=1), ask(day=2)
    give_to(one, "lively")
    give_to(other, "silent")
    OrmQ.objects.all().delete()
    rescue_jobs(NOON)
    rescue_jobs(NOON)
    assert (after(one).state, after(other).state) == ("running", "waiting")
    assert OrmQ.objects.count() == 1


def test_a_job_that_outlives_three_workers_has_failed_and_says_where(ask):
    job = ask()
    give_to(job, "gone", attempts=3, step="Drawing figures")
    rescue_jobs(NOON)
    assert after(job).state == "failed" and "died 3 times, at: Drawing figures" in after(job).message


def test_a_canceled_job_of_a_dead_worker_is_canceled(ask):
    job = ask()
    give_to(job, "gone", wants_cancel=True)
    rescue_jobs(NOON)
    assert after(job).state == "canceled"


def test_a_worker_that_lost_its_job_stops_and_leaves_it_to_the_other(ask, work):
    def does(job, progress):
        give_to(job, "another")
        progress.step("Drawing", 40)
        raise AssertionError("went on")

    work(does)
    job = ask()
    run_job(job.pk)
    assert (after(job).state, after(job).worker, after(job).step) == ("running", "another", "Starting")


def test_a_worker_of_this_machine_is_alive_while_its_process_is(db):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    make_worker("here", NOON, jobs.HOST)
    JobWorker.objects.create(name="gone", host=jobs.HOST, pid=gone.pid, parent_pid=1, seen_at=NOON)
    assert [worker.name for worker in living_workers(NOON)] == ["here"]


def wait_until(condition, seconds: float = 90):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {seconds} s: {list(Job.objects.values())}")


@pytest.mark.django_db(transaction=True)
def test_a_killed_worker_s_job_is_done_by_the_next_and_stop_is_quiet(ask, tmp_path):
    job = ask(folder=str(tmp_path))
    settings = connection.settings_dict
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WORK_ON_DATABASE": str(settings["NAME"]),
    }
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.support.slow_work"], cwd=ROOT, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        first = wait_until(lambda: after(job).step == "slowly" and after(job))
        pid = JobWorker.objects.get(name=first.worker).pid
        os.kill(pid, signal.SIGKILL)
        (tmp_path / "go on").touch()
        wait_until(lambda: after(job).state == "done")
        second = after(job)
        assert second.attempts == 2 and second.worker != first.worker
        assert (tmp_path / "results").read_text() == "done\n"
        assert living_workers(timezone.now())
    finally:
        worker.send_signal(signal.SIGINT)
        _, err = worker.communicate(timeout=60)
    assert worker.returncode == 0 and "Traceback" not in err
    wait_until(lambda: not living_workers(timezone.now()), 10)


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_jobs_and_each_runs_once(ask, tmp_path):
    """Two worker clusters on one queue, as on two machines: on PostgreSQL too, where this test runs again."""
    jobs_asked = [ask(folder=str(tmp_path), number=number) for number in range(8)]
    (tmp_path / "go on").touch()
    settings = connection.settings_dict
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "WORK_ON_DATABASE": str(settings["NAME"]),
        "WORK_SECONDS": "0.4",
    }
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.slow_work"], cwd=ROOT, env=environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    try:
        wait_until(lambda: all(after(job).state == "done" for job in jobs_asked))
        ended = [after(job) for job in jobs_asked]
        assert [job.attempts for job in ended] == [1] * 8
        assert len((tmp_path / "results").read_text().split()) == 8  # each worked once
        clusters = JobWorker.objects.filter(name__in=[job.worker for job in ended]).values("parent_pid")
        assert clusters.distinct().count() == 2
    finally:
        for worker in workers:
            worker.send_signal(signal.SIGINT)
        errors = [worker.communicate(timeout=60)[1] for worker in workers]
    assert not any("Traceback" in error for error in errors), errors
