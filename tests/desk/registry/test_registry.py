"""The registry's pages: what is found, what is hidden from whom, lineage, completeness, the next passage."""

from datetime import date

import pytest
from django.urls import reverse
from django.utils import timezone

from studies.actions.audit import INSTALLATION, broken_link
from studies.actions.passages import record_passage
from studies.actions.set_up import By, SetUpRefused
from studies.desk.registry.lineage import _short, lineage
from studies.desk.registry.passage_alerts import PassageAlert, passage_alerts
from studies.models import (
    AuditEvent,
    Cohort,
    GenotypeCall,
    Passage,
    Patient,
    PatientSample,
    StatusOverrule,
    Study,
    StudyPdxModel,
    Tumor,
)
from studies.models.pdx_mi import ITEMS, pdx_mi
from studies.terms import BiomarkerStatus, CohortKind, Role, StudyState
from tests.factories import make_measurement, make_mouse, make_pdx_model, make_session, make_study
from tests.people import join, make_user

pytestmark = pytest.mark.django_db
LIST = "/pdx-models/"


@pytest.fixture
def model(study):
    patient = Patient.objects.create(code="PT-7", sex="female", diagnosis="breast carcinoma")
    sample = PatientSample.objects.create(patient=patient, code="SA-7", tumor_type="metastatic")
    found = make_pdx_model("BR-7", BiomarkerStatus.LOSS_OF_FUNCTION, sample=sample, cancer_type="breast")
    GenotypeCall.objects.filter(pdx_model=found).update(variant="p.Arg134Trp", assay="WES")
    return found


@pytest.fixture
def donor(study, model):
    """A mouse of an expansion cohort with P2, its tumor read at 1,152 mm³ on day 20."""
    cohort = Cohort.objects.create(study=study, name="X", kind=CohortKind.EXPANSION)
    mouse = make_mouse(study, "E001", pdx_model=model, cohort=cohort)
    passage = Passage.objects.create(pdx_model=model, number=2)
    Tumor.objects.filter(mouse=mouse).update(passage=passage, implanted_on=date(2026, 3, 1))
    make_measurement(make_session(study, 20), mouse, length_mm=16, width_mm=12)
    return mouse


def page(model) -> str:
    return reverse("pdx_model", args=[model.code])


def test_who_reads_the_registry(client, people, model):
    readers = {
        "study_director",
        "statistician",
        "quality_assurance",
        "technician",
        "veterinarian",
        "outsider",
    }
    for name, person in people.everyone().items():
        client.force_login(person)
        for address in (LIST, page(model)):
            assert client.get(address).status_code == (200 if name in readers else 403), (name, address)


def test_a_technician_blinded_in_a_study_of_it_learns_no_status(client, study, people, model):
    StudyPdxModel.objects.create(study=study, pdx_model=model)  # planned, no mouse yet
    StatusOverrule.objects.create(
        pdx_model=model, gene="KRAS", status="wild_type", reason="panel SECRETPANEL"
    )
    client.force_login(people.technician)
    told = client.get(page(model)).content.decode()
    for secret in ("loss of function", "p.Arg134Trp", "WES", "SECRETPANEL", "KRAS"):
        assert secret not in told.split("<h1>")[1]
    assert "hidden (blinded)" in client.get(LIST).content.decode()
    for status in BiomarkerStatus.values():
        assert b"BR-7" not in client.get(f"{LIST}?status={status}").content
    Study.objects.filter(pk=study.pk).update(state=StudyState.UNBLINDED)
    assert "p.Arg134Trp" in client.get(page(model)).content.decode()


def test_a_director_blinded_elsewhere_learns_no_status_either(client, study, people, model):
    other = make_study("PDX-BLIND-02")
    make_mouse(other, pdx_model=model)
    director = join(people.study_director, other, Role.TECHNICIAN)
    director.is_staff = True
    director.save()
    client.force_login(director)
    assert b"p.Arg134Trp" not in client.get(page(model)).content
    data = {
        "way": "overrule",
        "overrule-gene": "MAP2K4",
        "overrule-status": "wild_type",
        "overrule-reason": "x",
    }
    client.post(page(model), data)
    assert not StatusOverrule.objects.exists()
    form = client.get(reverse("admin:studies_pdxmodel_change", args=[model.pk])).content
    listing = client.get(reverse("admin:studies_pdxmodel_changelist")).content
    assert b"p.Arg134Trp" not in form and b"hidden (blinded)" in listing


@pytest.mark.parametrize(
    ("query", "found"),
    [("q=br-7", True), ("q=carcinoma PT-7", True), ("q=colon", False), ("tissue=breast", True),
     ("kind=cell_line", False), ("status=loss_of_function", True), ("status=wild_type", False)],
)  # fmt: skip
def test_models_are_found_by_what_is_known_of_them(client, people, model, query, found):
    client.force_login(people.statistician)
    assert (b"BR-7" in client.get(f"{LIST}?{query}").content) == found


def test_the_lineage_runs_from_the_patient_to_the_mice_and_back_from_the_donor(study, people, model, donor):
    donor.tumors.create(number=2, passage=model.passages.get())  # two tumors are one mouse
    Passage.objects.create(pdx_model=model, number=3, donor_mouse=donor)
    drawn = lineage(model, people.study_director)
    assert [(box.kind, box.title) for box in drawn.boxes] == [
        ("patient", "PT-7"), ("sample", "SA-7"), ("PDX model", "BR-7"), ("passage", "P2"), ("mice", "1 mouse"),
        ("passage", "P3"),
    ]  # fmt: skip
    root, second, mice, third = drawn.boxes[2:]
    assert mice.y == second.y < third.y and root.y == (second.y + third.y) / 2
    assert sum(edge.is_donor for edge in drawn.edges) == 1
    assert len(drawn.edges) == 6  # each box but the first hangs on the one before it, P3 on P2's mice as well
    assert [line.text for line in drawn.tree][-1] == "passage P3, from mouse E001"
    strangers = lineage(model, people.outsider)
    assert "mice" not in {box.kind for box in strangers.boxes} and "E001" not in str(strangers)


def test_completeness_counts_what_is_told_and_names_the_rest(model):
    before = pdx_mi(model)
    assert (before.told, before.of) == (6, len(ITEMS))
    assert {item.name for item in before.missing} >= {"age", "histology", "animal health status"}
    model.sample.patient.consented_to_share = False  # a no is an answer
    assert pdx_mi(model).told == 7


def test_a_tumor_that_can_be_passed_on_is_alerted_until_it_was(client, people, study, donor, model):
    (alert,) = passage_alerts(people.study_director)
    assert (alert.mouse, alert.volume_mm3, alert.day, alert.words) == ("E001", 1152, 20, "ready to pass on")
    client.force_login(people.study_director)
    assert "1\N{THIN SPACE}152 mm³" in client.get(LIST).content.decode()
    assert passage_alerts(people.outsider) == [] and passage_alerts(people.doser) == []
    make_measurement(make_session(study, 24), donor, length_mm=18, width_mm=14)
    assert passage_alerts(people.study_director)[0].is_late
    Passage.objects.create(pdx_model=model, number=3, donor_mouse=donor)
    assert passage_alerts(people.study_director) == []


def test_below_the_window_and_in_other_cohorts_nothing_is_alerted(study, people, donor):
    make_measurement(make_session(study, 21), donor, length_mm=12, width_mm=12)  # 864 mm³
    assert passage_alerts(people.study_director) == []
    make_measurement(make_session(study, 22), donor, length_mm=16, width_mm=12)
    Cohort.objects.update(kind=CohortKind.EFFICACY)
    assert passage_alerts(people.study_director) == []


def post_passage(client, model, donor, **more):
    data = {"way": "passage", "passage-donor": donor.pk, "passage-passaged_on": "2026-03-25", **more}
    return client.post(page(model), data)


def test_the_next_passage_is_recorded_from_the_donor(client, people, model, donor):
    client.force_login(people.study_director)
    assert post_passage(client, model, donor).status_code == 302
    made = model.passages.get(number=3)
    assert (made.donor_mouse, made.passaged_on) == (donor, date(2026, 3, 25))
    event = AuditEvent.objects.get(action="recorded a passage")
    assert event.new["donor"] == "PDX-TEST-01/E001" and broken_link(INSTALLATION) is None
    assert "give this one a label" in post_passage(client, model, donor).content.decode()
    assert post_passage(client, model, donor, **{"passage-label": "b"}).status_code == 302


def test_a_passage_before_the_implantation_is_refused(client, people, model, donor):
    client.force_login(people.study_director)
    answer = post_passage(client, model, donor, **{"passage-passaged_on": "2026-02-25"})
    assert "was implanted on 2026-03-01" in answer.content.decode()
    assert not model.passages.filter(number=3).exists()


def test_others_record_no_passage(client, people, model, donor):
    for person in (people.technician, people.outsider):
        client.force_login(person)
        post_passage(client, model, donor)
    assert not model.passages.filter(number=3).exists()


def test_a_status_is_overruled_with_a_reason_on_record(client, people, model):
    client.force_login(people.study_director)
    data = {
        "way": "overrule",
        "overrule-gene": "map2k4",
        "overrule-status": "uncertain",
        "overrule-reason": " ",
    }
    assert client.post(page(model), data).status_code == 200
    assert not StatusOverrule.objects.exists()
    data["overrule-reason"] = "IHC shows protein."
    assert client.post(page(model), data).status_code == 302
    assert model.map2k4_status == BiomarkerStatus.UNCERTAIN
    assert AuditEvent.objects.get(action="overruled a status").reason == "IHC shows protein."
    assert "IHC shows protein." in client.get(page(model)).content.decode()


def test_the_guide_offers_no_status_to_who_is_blinded_elsewhere(client, model):
    blinded = make_study("PDX-BLIND-03")
    make_mouse(blinded, pdx_model=model)
    head = join(make_user("head"), blinded, Role.TECHNICIAN)
    join(head, draft := make_study("PDX-DRAFT-01", state=StudyState.DRAFT), Role.STUDY_DIRECTOR)
    client.force_login(head)
    told = client.get(reverse("set_up_pdx_models", args=[draft.code])).content.decode()
    assert "BR-7" in told and "loss of function" not in told


@pytest.mark.parametrize(("volume_mm3", "is_late"), [(1000, False), (1500, False), (1500.1, True)])
def test_a_donor_is_late_beyond_the_window_and_not_at_its_end(study, volume_mm3, is_late):
    alert = PassageAlert(study, "E001", 1, "BR-7", 20, volume_mm3)
    assert (alert.is_late, alert.words == "ready to pass on") == (is_late, not is_late)


@pytest.mark.parametrize("kind", [CohortKind.EFFICACY, None])
def test_only_mice_of_an_expansion_cohort_are_passed_on(study, people, donor, kind):
    Cohort.objects.update(kind=kind or CohortKind.EXPANSION)
    if kind is None:
        study.mice.update(cohort=None)
    by = By(people.study_director, timezone.now())
    with pytest.raises(
        SetUpRefused, match="Mouse E001 is in no expansion cohort; its tumor is not passed on"
    ):
        record_passage(donor, date(2026, 3, 25), "2 x 2 x 2 mm", "", by)


def test_a_long_name_is_cut_to_the_width_of_its_box():
    assert [_short("x" * n) for n in (24, 25)] == ["x" * 24, "x" * 23 + "…"]
