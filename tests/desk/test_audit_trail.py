"""The audit trail on a page and as files: for whom the study's science is, without an arm while it is hidden."""

import csv
import io
import json
from datetime import UTC, date, datetime

import pytest

from studies.actions.audit import allocation_chain, record_event, study_chain
from studies.models import Allocation, Dose, Randomization, Study
from studies.terms import Role
from tests.factories import make_arm, make_measurement, make_mouse, make_session

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 6, 10, 10, tzinfo=UTC)
READERS = {Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE, Role.TECHNICIAN, Role.VETERINARIAN}


@pytest.fixture
def told(study, people):
    """An event of a mouse and one of an arm, and one in the allocation's chain."""
    arm, mouse = make_arm(study, "zqarm1"), make_mouse(study)
    actor = people.study_director
    common = {"actor": actor, "at": NOW, "study": study}
    record_event(
        "changed",
        mouse,
        chain=study_chain(study),
        old={"cage": "C1"},
        new={"cage": "=C2"},
        reason="moved",
        **common,
    )
    record_event("added", arm, chain=study_chain(study), new={"name": "zqarm1"}, **common)
    record_event("allocated mice", study, chain=allocation_chain(study), new={"M001": "zqarm1"}, **common)
    return mouse


def files(client, study, query: str = "") -> tuple[list[dict], list[dict]]:
    table = client.get(f"/studies/{study.code}/audit.csv{query}").content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(table)))
    return rows, json.loads(client.get(f"/studies/{study.code}/audit.json{query}").content)


def test_readers_of_the_science_get_page_and_files_and_nobody_else(told, study, people, client):
    for role, user in people.by_role.items():
        client.force_login(user)
        for name in ("audit/", "audit.csv", "audit.json"):
            status = client.get(f"/studies/{study.code}/{name}").status_code
            assert status == (200 if role in READERS else 403), (role, name)
    client.force_login(people.outsider)
    assert client.get(f"/studies/{study.code}/audit.csv").status_code == 404


def test_no_event_that_could_name_an_arm_is_told_while_it_is_hidden(told, study, people, client):
    client.force_login(people.study_director)
    page = client.get(f"/studies/{study.code}/audit/").text
    rows, objects = files(client, study)
    assert (
        "zqarm1" not in page
        and "zqarm1" not in json.dumps([rows, objects])
        and len(rows) == len(objects) == 1
    )
    Study.objects.filter(pk=study.pk).update(is_blinded=False)
    rows, objects = files(client, study)
    assert len(rows) == len(objects) == 3 and "zqarm1" in json.dumps(objects)


def test_an_event_tells_old_new_who_when_and_why_and_no_formula(told, study, people, client):
    client.force_login(people.quality_assurance)
    (row,), (one,) = files(client, study, f"?object=mouse&id={told.pk}")
    assert one["old"] == {"cage": "C1"} and one["new"] == {"cage": "=C2"} and one["why"] == "moved"
    assert row["new"] == "cage: =C2" and row["when_utc"] == "2026-06-10 10:00:00" and len(row["hash"]) == 64
    assert files(client, study, "?object=mouse&id=0") == ([], [])
    assert "moved" in client.get(f"/studies/{study.code}/audit/?object=mouse&id={told.pk}&page=9").text


def test_a_mouses_history_tells_doses_and_arm_only_once_they_are_open(told, study, people, client):
    make_measurement(make_session(study), told)
    drawn = Randomization.objects.create(
        study=study, seed="1", method="x", algorithm_version="1", code_version="1", ordered_input=[], made_at=NOW,
        made_by=people.study_director, input_sha256="0" * 64,
    )  # fmt: skip
    Allocation.objects.create(mouse=told, arm=study.arms.get(), randomization=drawn)
    for revision, given, reason in ((1, 0.2, ""), (2, 0.15, "it spat")):
        Dose.objects.create(
            study=study, mouse=told, given_on=date(2026, 6, 10), revision=revision, syringe="S7", given_ml=given,
            outcome="given" if revision == 1 else "partial", reason=reason, doser=people.doser, recorded_at=NOW,
        )  # fmt: skip
    client.force_login(people.technician)

    def values() -> set[str]:
        return {one["value"] for one in client.get(f"/entry/mice/{told.pk}/history.json").json()}

    hidden = values()
    assert {"length_mm", "weight_g"} <= hidden and not any("dose" in one or one == "arm" for one in hidden)
    Study.objects.filter(pk=study.pk).update(state="unblinded")
    assert values() - hidden == {"arm", "dose 1.1, outcome", "dose 1.1, given_ml"}
    rows = client.get(f"/entry/mice/{told.pk}/history.csv").text
    assert "it spat" in rows and "zqarm1" in rows
