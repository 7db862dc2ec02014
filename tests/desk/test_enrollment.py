"""Enrollment, the page before a drawing, and the balance after it, asked by everyone."""

import re
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.http import QueryDict
from django.utils import timezone

from studies import triggers
from studies.actions import enrollment as rules
from studies.actions.allocate_mice import Choices, allocate
from studies.actions.balance_of import _band, balance_of
from studies.desk.enrollment import next_name
from studies.desk.randomize import choices_of
from studies.models import Allocation, Cohort, Exclusion, Mouse, Randomization, Study
from studies.terms import BiomarkerStatus, Role, StudyState
from tests.cohorts import ARMS, make_arms, make_cohort, read
from tests.factories import make_pdx_model

SCIENCE = {Role.TECHNICIAN, Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE, Role.VETERINARIAN}
BALANCE = {Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE}


@pytest.fixture
def ready(study, people):
    make_pdx_model("BR-101", BiomarkerStatus.WILD_TYPE)
    make_arms(study)
    make_cohort(study, 12, on=timezone.now().date())
    small = Mouse.objects.create(
        study=study, label="M090", pdx_model=make_pdx_model(), cohort=study.cohorts.get()
    )
    read(study.sessions.get(), small, 71.0)
    return study


def draw(study, director, cohort="A") -> Randomization:
    choices = Choices("sorted_block")
    return allocate(study, cohort, choices, seed="abc", actor=director, at=datetime.now(UTC))


def page(client, person, path: str, status: int = 200) -> str:
    client.force_login(person)
    response = client.get(f"/studies/PDX-TEST-01/{path}")
    assert response.status_code == status
    return response.content.decode()


def form_of(content: str, **changes) -> dict:
    """The fields of the form that draws, as a browser would send them."""
    form = content[content.index('method="post" class="section press"') :]
    hidden = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', form))
    return {**hidden, **changes}


@pytest.mark.parametrize(
    ("path", "audience"),
    [
        ("enrollment/", SCIENCE),
        ("randomize/?cohort=A", {Role.STUDY_DIRECTOR}),
        ("balance/?cohort=A", BALANCE),
    ],
)
def test_each_page_answers_its_roles_and_is_not_there_for_strangers(client, ready, people, path, audience):
    draw(ready, people.study_director)
    for role, person in people.by_role.items():
        page(client, person, path, 200 if role in audience else 403)
    for stranger in (people.outsider, people.superuser):
        page(client, stranger, path, 404)


def test_mice_are_listed_with_their_standing(client, ready, people):
    content = page(client, people.technician, "enrollment/")
    assert "71 mm³ is below the window of 100 to 200 mm³" in content
    assert "12 of 13 ready" in content
    assert "Randomize" not in content and "wild type" not in content
    content = page(client, people.study_director, "enrollment/")
    assert "Randomize 12 mice" in content and "wild type" in content
    assert "<dd>1</dd>" in content  # one mouse waits


def test_the_director_looks_presses_and_sees_within_which_limits_the_arms_differ(client, ready, people):
    content = page(client, people.study_director, "randomize/?cohort=A&method=sorted_block")
    assert "M090" in content and "arms, equal shares" in content
    response = client.post("/studies/PDX-TEST-01/randomize/", form_of(content), follow=True)
    assert response.redirect_chain == [("/studies/PDX-TEST-01/balance/?cohort=A", 302)]
    told = response.content.decode()
    assert "12 mice are randomized" in told and "Largest |SMD| of two arms" in told
    assert not any(arm in told for arm in ARMS) and "sealed: with the input" in told
    stored = Randomization.objects.get()
    assert len(stored.seed) == 32 and stored.seed not in told
    assert Allocation.objects.count() == 12 and not Exclusion.objects.exists()
    assert "M001" not in told  # no single mouse is shown


def test_strata_are_of_the_study_s_own_gene(client, ready, people):
    path = "randomize/?cohort=A&method=sorted_block"
    assert "MAP2K4 status" in page(client, people.study_director, path)
    Study.objects.update(biomarker="KRAS")
    content = page(client, people.study_director, path)
    assert "KRAS status" in content and "MAP2K4" not in content


def test_pressing_twice_leads_to_what_was_drawn(client, ready, people):
    form = form_of(page(client, people.study_director, "randomize/?cohort=A&method=sorted_block"))
    client.post("/studies/PDX-TEST-01/randomize/", form)
    before = set(Allocation.objects.values_list("mouse", "arm"))
    told = client.post("/studies/PDX-TEST-01/randomize/", form, follow=True).content.decode()
    assert "no second seed is drawn" in told
    assert set(Allocation.objects.values_list("mouse", "arm")) == before


def test_a_press_on_what_changed_meanwhile_draws_nothing(client, ready, people):
    form = form_of(page(client, people.study_director, "randomize/?cohort=A&method=sorted_block"))
    Exclusion.objects.create(mouse=ready.mice.first(), reason="died", excluded_at=timezone.now())
    response = client.post("/studies/PDX-TEST-01/randomize/", form)
    assert response.status_code == 422 and "changed since they were shown" in response.content.decode()
    assert not Allocation.objects.exists()


def test_a_concern_is_asked_and_drawn_only_when_accepted(client, ready, people):
    Mouse.objects.filter(label="M003").update(pdx_model=make_pdx_model("BR-777"))
    path = "randomize/?cohort=A&method=sorted_block&strata=pdx_model"
    content = page(client, people.study_director, path)
    concern = "PDX model BR-777 holds one mouse, M003"
    assert concern in content
    form = form_of(content)
    assert client.post("/studies/PDX-TEST-01/randomize/", form).status_code == 422
    assert client.post("/studies/PDX-TEST-01/randomize/", {**form, "accept": concern}).status_code == 302


def test_those_left_out_are_excluded_on_asking(client, ready, people):
    form = form_of(page(client, people.study_director, "randomize/?cohort=A&method=sorted_block"))
    client.post("/studies/PDX-TEST-01/randomize/", {**form, "exclude_outside": "on"})
    assert Exclusion.objects.get().mouse.label == "M090"


def test_what_is_not_possible_now_is_said_and_has_no_button(client, ready, people):
    ready.state = StudyState.DRAFT
    ready.save()
    content = page(client, people.study_director, "randomize/?cohort=A")
    assert "mice are randomized in an active study" in content.lower()
    assert 'class="section press"' not in content


def test_permuting_the_arms_changes_no_byte_of_the_blinded_balance(client, ready, people):
    draw(ready, people.study_director)
    before = page(client, people.study_director, "balance/?cohort=A")
    low, high, *_ = sorted(ready.arms.values_list("pk", flat=True))
    triggers.drop(connection)
    for allocation in Allocation.objects.filter(arm__in=(low, high)):
        Allocation.objects.filter(pk=allocation.pk).update(arm=low + high - allocation.arm_id)
    triggers.install(connection)
    strip = lambda text: re.sub(r'(csrfmiddlewaretoken" value|nonce)="[^"]+"', "", text)  # noqa: E731
    assert strip(page(client, people.study_director, "balance/?cohort=A")) == strip(before)


def test_an_open_study_shows_arms_by_name_with_the_seed(client, ready, people):
    draw(ready, people.study_director)
    ready.state = StudyState.UNBLINDED
    ready.save()
    told = page(client, people.statistician, "balance/?cohort=A")
    assert all(arm in told for arm in ("vehicle", "drug A", "drug B")) and "<code>abc</code>" in told
    assert "where arms are open" not in told and told.count("data:image/svg+xml") == 2


def test_the_blinded_balance_tells_too_little_to_work_out_who_shares_an_arm(client, ready, people):
    """Of 12 mice whose volumes everybody reads, a group's mean and spread fit three mice alone."""
    drawn = draw(ready, people.study_director)
    told = page(client, people.study_director, "balance/?cohort=A")
    found = balance_of(drawn)
    volume, weight = found.covariates[:2]
    for number in (
        *(f"{arm.mean:.0f} ±" for arm in volume.arms),
        *(f"{arm.mean:.1f} ±" for arm in weight.arms),
    ):
        assert number not in told
    assert "data:image" not in told and drawn.input_sha256 not in told
    shown = set(re.findall(r'<td class="nowrap">([^<]+)</td>', told))
    assert shown <= {"at most 0.10", "0.10 to 0.25", "above 0.25", "at most 2", "2 to 4", "above 4"}


def test_a_new_cohort_takes_the_next_free_letter(client, study, people):
    make_arms(study)
    make_cohort(study, 8, None, on=timezone.now().date())
    content = page(client, people.study_director, "enrollment/")
    assert 'name="cohort" value="A"' in content
    form = form_of(page(client, people.study_director, "randomize/?cohort=A&method=sorted_block"))
    client.post("/studies/PDX-TEST-01/randomize/", form)
    assert study.cohorts.get().name == "A" and study.mice.filter(cohort__name="A").count() == 8
    assert rules.waves(rules.standings(study)) == []
    assert "Every mouse on record is randomized" in page(client, people.study_director, "enrollment/")
    page(client, people.study_director, "balance/?cohort=Z", 404)


def test_without_any_randomization_the_balance_says_so(client, study, people):
    assert "No cohort is randomized yet" in page(client, people.statistician, "balance/")


def test_variances_are_balanced_unless_the_form_leaves_it_out(ready):
    assert choices_of(QueryDict(), ready).balance_variances is True
    assert choices_of(QueryDict("method=sorted_block&balance_variances=on"), ready).balance_variances is True
    assert choices_of(QueryDict("method=sorted_block"), ready).balance_variances is False


def test_after_z_cohorts_are_numbered(study):
    assert next_name(study) == "A"
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ":
        Cohort.objects.create(study=study, name=letter)
        assert next_name(study) == ("27" if letter == "Z" else chr(ord(letter) + 1))
    study.cohorts.filter(name="C").delete()
    assert next_name(study) == "C"


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "not to be had"), (0.1, "at most 0.10"), (0.1001, "0.10 to 0.25"), (0.25, "0.10 to 0.25"),
     (0.2501, "above 0.25")],
)  # fmt: skip
def test_a_difference_is_told_by_the_band_it_lies_in(value, told):
    assert _band(value, (0.1, 0.25), 2) == told
