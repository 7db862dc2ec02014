"""The one app."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class StudiesConfig(AppConfig):
    name = "studies"
    verbose_name = "PDX studies"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django_q.signals import post_spawn

        from studies import accounts, checks, idle, triggers  # noqa: F401 - what hears signals registers itself
        from studies.actions.seal_tables import seal_tables_of_before

        connection_created.connect(triggers.hear_notes, dispatch_uid="studies.notes")
        # Django rebuilds an altered SQLite table without its triggers, so each migrate lays them again.
        pre_migrate.connect(triggers.drop_before_migrate, sender=self, dispatch_uid="studies.no_triggers")
        post_migrate.connect(triggers.install_after_migrate, sender=self, dispatch_uid="studies.triggers")
        post_migrate.connect(seal_tables_of_before, sender=self, dispatch_uid="studies.seals")
        post_spawn.connect(_begin_to_beat, dispatch_uid="studies.job_worker")


def _begin_to_beat(**signal) -> None:
    from studies.actions.jobs import begin_to_beat

    begin_to_beat(**signal)
