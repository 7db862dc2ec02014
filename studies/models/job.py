"""Long work asked for: where it stands, and the workers that take it up."""

from django.db import models
from django.db.models import PROTECT, Q

from studies.terms import JobKind, JobState, ReportView

UNFINISHED = (JobState.WAITING, JobState.RUNNING)


class Job(models.Model):
    """One piece of long work. Of the same work asked for twice, one is under way at a time."""

    study = models.ForeignKey("Study", PROTECT, related_name="jobs")
    kind = models.CharField(max_length=12, choices=JobKind.choices())
    view = models.CharField(max_length=8, choices=ReportView.choices())
    parameters = models.JSONField(default=dict)
    parameters_sha256 = models.CharField("SHA-256 of the parameters", max_length=64)
    asked_by = models.ForeignKey("User", PROTECT, related_name="jobs")
    asked_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=JobState.choices(), default=JobState.WAITING)
    step = models.CharField(max_length=80, blank=True, help_text="What is being done, in the user's words.")
    percent = models.PositiveSmallIntegerField(default=0)
    message = models.TextField(blank=True, help_text="What came of it, in the user's words.")
    wants_cancel = models.BooleanField(default=False)
    worker = models.CharField(max_length=120, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-asked_at", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["study", "kind", "parameters_sha256"],
                condition=Q(state__in=UNFINISHED),
                name="job_under_way_once",
            ),
            models.CheckConstraint(condition=Q(state__in=JobState.values()), name="job_state_known"),
            models.CheckConstraint(condition=Q(percent__lte=100), name="job_percent_up_to_100"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.study}, {self.get_state_display()}"

    @property
    def is_under_way(self) -> bool:
        return self.state in UNFINISHED


class JobWorker(models.Model):
    """A process that takes up jobs, and when it last gave a sign of life."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=100)
    pid = models.PositiveIntegerField()
    parent_pid = models.PositiveIntegerField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
