"""Mice and PDX models in and out of the administration as CSV."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from studies.actions.audit import INSTALLATION, broken_link, study_chain
from studies.models import AuditEvent, Cage, Mouse, PdxModel, SigningFailures, StudyPdxModel, User
from studies.terms import BiomarkerStatus, Role
from tests.factories import make_mouse, make_pdx_model, make_study
from tests.people import join, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def director(client, study):
    person = join(make_user("director", is_staff=True), study, Role.STUDY_DIRECTOR)
    client.force_login(person)
    return person


def upload(client, table: str, rows: str, reason: str = ""):
    """The dry run; `confirm` then sends what its page would."""
    file = SimpleUploadedFile("list.csv", rows.encode(), "text/csv")
    data = {"import_file": file, "format": "0", "resource": "", "reason": reason}
    return client.post(reverse(f"admin:studies_{table}_import"), data)


def confirm(client, table: str, dry_run):
    told = dry_run.content.decode()
    fields = {name: re.search(rf'name="{name}" value="([^"]*)"', told) for name in
              ("import_file_name", "original_file_name", "format", "resource", "reason")}  # fmt: skip
    data = {name: found[1] for name, found in fields.items() if found}
    return client.post(reverse(f"admin:studies_{table}_process_import"), data)


def test_mice_are_imported_after_a_dry_run_each_with_its_event(client, study, director):
    make_pdx_model("BR-1")
    Cage.objects.create(study=study, code="C1")
    rows = f"study,label,pdx_model,cage,ear_tag,sex,born_on\n{study.code},M1,BR-1,C1,1,female,2026-01-05\n"
    shown = upload(client, "mouse", rows)
    assert shown.status_code == 200 and not Mouse.objects.exists()
    assert confirm(client, "mouse", shown).status_code == 302
    mouse = Mouse.objects.get()
    assert (mouse.label, mouse.cage.code, str(mouse.born_on)) == ("M1", "C1", "2026-01-05")
    assert mouse.tumors.count() == 1
    events = AuditEvent.objects.filter(chain=study_chain(study), object_type="mouse")
    assert [(event.action, event.actor) for event in events] == [("added", director)]
    assert broken_link(study_chain(study)) is None


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{own},M2,BR-9,,", "there is no PDX model &quot;BR-9&quot;"),
        ("{own},M2,BR-1,C9,", "has no cage &quot;C9&quot;"),
        ("PDX-SECRET-01,M2,BR-1,,", "is no study you set up"),
        ("{own},M2,BR-1,,lady", "lady"),
    ],
)
def test_a_row_with_an_error_is_named_and_nothing_is_saved(client, study, director, row, told):
    make_study("PDX-SECRET-01")
    make_pdx_model("BR-1")
    rows = f"study,label,pdx_model,cage,sex\n{study.code},M1,BR-1,,female\n" + row.format(own=study.code)
    shown = upload(client, "mouse", rows).content.decode()
    assert told in shown.replace("&#x27;", "'").replace("&#39;", "'")
    assert "import_file_name" not in shown  # nothing to confirm
    assert not Mouse.objects.exists() and not AuditEvent.objects.filter(object_type="mouse").exists()


def test_an_import_tells_nobody_which_cages_and_cohorts_another_study_has(client, study, director):
    secret = make_study("PDX-SECRET-01")
    Cage.objects.create(study=secret, code="C1")
    secret.cohorts.create(name="A")
    make_pdx_model("BR-1")
    answers = []
    for cage, cohort in (("C1", "A"), ("C9", "Z")):
        rows = f"study,label,pdx_model,cage,cohort\nPDX-SECRET-01,M1,BR-1,{cage},{cohort}\n"
        told = upload(client, "mouse", rows).content.decode()
        answers.append(told.count("has no cage") + told.count("has no cohort"))
    assert answers[0] == answers[1]


def test_changing_what_a_running_study_has_on_record_needs_the_reason(client, study, director):
    make_mouse(study, "M1", pdx_model=make_pdx_model("BR-1"))
    rows = f"study,label,pdx_model,sex\n{study.code},M1,BR-1,male\n"
    assert "give the reason" in upload(client, "mouse", rows).content.decode()
    shown = upload(client, "mouse", rows, reason="sexed again")
    assert confirm(client, "mouse", shown).status_code == 302
    event = AuditEvent.objects.get(object_type="mouse")
    assert (event.old, event.new, event.reason) == ({"sex": ""}, {"sex": "male"}, "sexed again")


def export(client, table: str) -> str:
    answer = client.post(reverse(f"admin:studies_{table}_export"), {"format": "0", "resource": ""})
    assert answer.status_code == 200
    return answer.content.decode()


def test_exported_mice_are_ones_own_and_start_no_formula(client, study, director):
    make_mouse(study, "=1+1")
    make_mouse(make_study("PDX-SECRET-01"), "SECRETMOUSE")
    told = export(client, "mouse")
    assert "'=1+1" in told and ",=1+1" not in told and "SECRET" not in told
    assert "arm" not in told.splitlines()[0]
    shown = upload(client, "mouse", told)
    assert "import_file_name" in shown.content.decode()  # and it is read back as it was
    confirm(client, "mouse", shown)
    assert list(study.mice.values_list("label", flat=True)) == ["=1+1"]


def test_pdx_models_go_in_and_out_with_their_status_masked(client, study, director):
    rows = "code,kind,cancer_type,host_strain\nBR-7,patient_derived,breast,NSG\n"
    assert confirm(client, "pdxmodel", upload(client, "pdxmodel", rows)).status_code == 302
    assert PdxModel.objects.get().cancer_type == "breast"
    assert AuditEvent.objects.get(object_type="pdxmodel").chain == INSTALLATION
    make_pdx_model("BR-7", BiomarkerStatus.LOSS_OF_FUNCTION)
    assert "loss_of_function" in export(client, "pdxmodel")
    blinded = make_study("PDX-BLIND-01")
    StudyPdxModel.objects.create(study=blinded, pdx_model=PdxModel.objects.get())
    join(director, blinded, Role.TECHNICIAN)
    told = export(client, "pdxmodel")
    assert "loss_of_function" not in told and "hidden (blinded)" in told


def test_an_administrator_lifts_a_signing_lock_and_nobody_else(client, director):
    locked = SigningFailures.objects.create(user=director, count=5)
    address = reverse("admin:studies_signingfailures_changelist")
    data = {"action": "lift", "_selected_action": [locked.pk]}
    assert client.post(address, data).status_code == 403
    client.force_login(User.objects.create_superuser("boss", password="x"))
    assert client.post(address, data).status_code == 302
    locked.refresh_from_db()
    assert locked.count == 0 and AuditEvent.objects.filter(action="lifted a signing lock").exists()


def test_a_study_of_200_mice_opens_with_as_many_queries_as_one_of_two(
    client, study, director, django_assert_max_num_queries
):
    model = make_pdx_model("BR-1")
    cage = Cage.objects.create(study=study, code="C1")
    for pages in (2, 200):
        have = study.mice.count()
        Mouse.objects.bulk_create(
            Mouse(study=study, label=f"M{n:03d}", pdx_model=model, cage=cage) for n in range(have, pages)
        )
        for address in (
            reverse("admin:studies_study_change", args=[study.pk]),
            reverse("admin:studies_mouse_changelist"),
            reverse("admin:studies_mouse_change", args=[study.mice.first().pk]),
        ):
            with django_assert_max_num_queries(45):
                assert client.get(address).status_code == 200
