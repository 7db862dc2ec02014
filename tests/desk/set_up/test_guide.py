"""The guide by its forms: a draft from nothing to active, and what is refused on the way, by name."""

import re

import pytest
from django.urls import reverse

from studies.actions.audit import broken_link, study_chain
from studies.actions.enrollment import standings
from studies.actions.set_up_gaps import set_up_gaps
from studies.desk.set_up.plan import combinations
from studies.models import Agent, ArmAgent, AuditEvent, Passage, Study, StudyPdxModel
from studies.terms import BiomarkerStatus, Role, StudyState
from tests.factories import make_arm, make_mouse, make_pdx_model, make_study
from tests.people import PASSWORD, join, make_user

pytestmark = pytest.mark.django_db
CODE = "PDX-MEK-02"


@pytest.fixture
def director(client):
    person = make_user("head", full_name="Head of Study", may_begin_studies=True)
    client.force_login(person)
    return person


@pytest.fixture
def technician():
    return make_user("tech")


@pytest.fixture
def models():
    found = [make_pdx_model(f"BR-{n}", status) for n, status in enumerate(
        (BiomarkerStatus.WILD_TYPE, BiomarkerStatus.LOSS_OF_FUNCTION))]  # fmt: skip
    for model in found:
        Passage.objects.bulk_create(Passage(pdx_model=model, number=n) for n in (2, 3))
    return found


def page(step: str) -> str:
    return reverse(f"set_up_{step}", args=[CODE])


def arm(place: int, name: str, role: str, mice: int, *agents: dict) -> dict:
    data = {f"arm-{place}-name": name, f"arm-{place}-role": role, f"arm-{place}-planned_mice": mice,
            f"arm-{place}-agents": len(agents)}  # fmt: skip
    for n, agent in enumerate(agents):
        data |= {f"arm-{place}-agent-{n}-{field}": value for field, value in agent.items()}
    return data


MEK = {"agent": "binimetinib", "dose": "10 mg/kg", "route": "oral", "frequency": "bid", "first_day": 0,
       "last_day": 20}  # fmt: skip
HRX = MEK | {"agent": "HRX-0233", "dose": "0.03 g/kg", "frequency": "qd"}
CARRIER = MEK | {"agent": "carrier", "dose": ""}
ARMS = {
    "arms": 4,
    **arm(0, "Vehicle", "vehicle", 2, CARRIER),
    **arm(1, "Binimetinib", "single_agent", 2, MEK),
    **arm(2, "HRX-0233", "single_agent", 2, HRX),
    **arm(3, "Both", "combination", 2, {"agent": "Binimetinib"}, {"agent": "HRX-0233"}),
}
CRITERIA = {
    "volume_formula": "half_lw2", "tumor_rule": "sum", "lod_mm3": 13.5, "day0_rule": "first_dose",
    "enrollment_min_mm3": 100, "enrollment_max_mm3": 200, "schedule_days": "0, 3, 7, 10, 14, 17, 21",
    "limits-volume_cap_mm3": 1500, "limits-diameter_cap_mm": 20, "limits-burden_cap_percent": 10,
    "limits-weight_loss_warning_percent": 15, "limits-weight_loss_limit_percent": 20,
    "limits-sign_score_cap": 5, "limits-body_condition_floor": 2, "limits-amber_fraction": 0.8,
}  # fmt: skip
PLAN = {"control": "Vehicle", "estimand": "slope", "day": "21", "endpoint_fold": 4, "alpha": 0.05,
        "random_seed": 1}  # fmt: skip


def begin(client, **more):
    return client.post(reverse("new_study"), {"code": CODE, "title": "MEK in MAP2K4", **more})


def mice_data(models, each: int = 4) -> dict:
    return {
        "way": "generate", "cohort": "A", "kind": "efficacy", "mice_per_cage": 5, "born_on": "2026-01-05",
        "implanted_on": "2026-03-01", "strain": "NSG", "site": "right flank",
        **{f"mice-{model.pk}": each for model in models}, **{f"sex-{model.pk}": "female" for model in models},
    }  # fmt: skip


def fill_in(client, models, director, technician) -> None:
    """Every step of the guide, as it is posted."""
    begin(client)
    posts = {
        "protocol": {"title": "MEK in MAP2K4", "protocol_number": "AVD-1", "biomarker": "MAP2K4",
                     "time_zone": "Europe/Amsterdam", "director": director.pk},
        "pdx_models": {"pdx_model": [m.pk for m in models],
                       **{f"passage-{m.pk}": m.passages.get(number=3).pk for m in models}},
        "arms": ARMS,
        "mice": mice_data(models),
        "criteria": CRITERIA,
        "plan": PLAN,
        "blinding": {"is_blinded": "yes", Role.STUDY_DIRECTOR: director.pk, Role.TECHNICIAN: technician.pk},
    }  # fmt: skip
    for step, data in posts.items():
        answer = client.post(page(step), data)
        assert answer.status_code == 302, (step, errors(answer))


def errors(answer) -> str:
    text = answer.content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", "".join(
        re.findall(r'(?s)class="errorlist.*?</ul>|class="refusal.*?</section>', text))).split())  # fmt: skip


def test_a_draft_is_filled_in_signed_and_runs(client, models, director, technician):
    fill_in(client, models, director, technician)
    assert "Add it" not in client.get(page("review")).content.decode()
    answer = client.post(page("review"), {"way": "activate", "username": "head", "password": PASSWORD})
    assert answer.status_code == 302, errors(answer)
    study = Study.objects.get(code=CODE)
    assert study.state == StudyState.ACTIVE
    assert study.analysis_plans.get().locked_at is not None
    signature = study.signatures.get()
    assert (signature.act, signature.meaning, signature.signer) == ("activation", "approved", director)
    assert signature.record["arms"][2]["given"][0]["dose_mg_per_kg"] == 30
    assert broken_link(study_chain(study)) is None
    assert "as signed" in client.get(page("review")).content.decode()


def test_what_an_arm_above_gives_is_taken_over_by_the_combination(client, models, director, technician):
    fill_in(client, models, director, technician)
    both = Study.objects.get(code=CODE).arms.get(name="Both")
    given = {one.agent.name: one for one in both.arm_agents.all()}
    assert {name: one.dose_mg_per_kg for name, one in given.items()} == {"binimetinib": 10, "HRX-0233": 30}
    assert given["binimetinib"].frequency == "bid" and given["HRX-0233"].last_day == 20
    plan = both.study.analysis_plans.get().plan
    assert plan["combinations"] == [{"arm": "Both", "parts": ["Binimetinib", "HRX-0233"]}]
    assert plan["dosing"] == [0, 20]


def test_a_sample_size_is_declared_whole_and_fits_the_arms_when_it_is_locked(
    client, models, director, technician
):
    fill_in(client, models, director, technician)
    half = client.post(page("plan"), PLAN | {"target_tgi_percent": 60, "target_power_percent": 80})
    assert half.status_code == 200 and "its power and its source" in errors(half)
    whole = {"target_tgi_percent": 60, "target_power_percent": 80, "target_source": "PDX-01, 2024"}
    assert client.post(page("plan"), PLAN | whole).status_code == 302
    study = Study.objects.get(code=CODE)
    assert study.analysis_plans.get().plan["sample_size"] == {
        "tgi_percent": 60, "power": 0.8, "alpha": 0.05, "source": "PDX-01, 2024",
        "mice_per_arm": {"Vehicle": 2, "Binimetinib": 2, "HRX-0233": 2, "Both": 2},
    }  # fmt: skip
    study.arms.filter(name="Both").update(planned_mice=3)
    assert [gap.what for gap in set_up_gaps(study) if gap.is_missing] == [
        "The plan's sample size names other mice than the arms plan: save the plan again."
    ]
    assert 'value="60' in client.get(page("plan")).content.decode()


def test_generated_mice_live_in_cages_of_one_pdx_model_with_the_passage_planned(
    client, models, director, technician
):
    fill_in(client, models, director, technician)
    mice = Study.objects.get(code=CODE).mice.order_by("label")
    assert [mouse.label for mouse in mice] == [f"M{n:03d}" for n in range(1, 9)]
    assert [(mouse.cage.code, mouse.ear_tag) for mouse in mice][:5] == [
        ("C01", "1"), ("C01", "2"), ("C01", "3"), ("C01", "4"), ("C02", "1"),
    ]  # fmt: skip
    assert {mouse.tumors.get().passage.number for mouse in mice} == {3}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"arm-1-agent-0-dose": "10"}, "The dose 10 has no unit; write it as 10 mg/kg."),
        ({"arm-1-agent-0-dose": ""}, 'Arm "Binimetinib" gives binimetinib without a dose'),
        ({"arm-1-name": "vehicle"}, 'The arms "Vehicle" and "vehicle" have one name.'),
        ({"arm-2-agent-0-agent": "binimetinib", "arm-2-agent-0-dose": "10 mg/kg",
          "arm-2-agent-0-frequency": "bid"}, 'The arms "Binimetinib" and "HRX-0233" overlap'),
        ({"arm-3-agent-1-agent": ""}, 'Arm "Both" is a combination of fewer than two agents.'),
        ({"arm-1-agent-0-last_day": -3}, 'Arm "Binimetinib" gives binimetinib from day 0 to day -3.'),
        ({"arm-1-name": ""}, "Name this arm."),
        ({"arm-3-control": "Placebo"}, 'compared with "Placebo", which is no other arm'),
    ],
)  # fmt: skip
def test_arms_that_cannot_stand_are_refused_by_name(client, models, director, change, told):
    begin(client)
    answer = client.post(page("arms"), {**ARMS, **change})
    assert answer.status_code == 200
    assert told in errors(answer).replace("&quot;", '"')
    assert not Study.objects.get(code=CODE).arms.exists()


LIST = "mouse\tpdx_model\tsex\tborn_on\tcage\tear_tag\trfid\n"


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("M1\tBR-9\tfemale\t\t\t\t", "3 pdx_model BR-9 is no PDX model of this study"),
        ("M1\tBR-0\tlady\t\t\t\t", "3 sex lady is not female, male or other"),
        ("M1\tBR-0\tf\t01/02/2026\t\t\t", "3 born_on 01/02/2026 is not a date"),
        ("M1\tBR-0\tf\t\tC1\t3\t\nM2\tBR-0\tf\t\tC1\t3\t", "4 ear_tag 3 stands in line 3 too in cage C1"),
        ("M1\tBR-0\tf\t\t\t\t\nM1\tBR-0\tf\t\t\t\t", "4 mouse M1 stands in line 3 too"),
        ("M1\tBR-0\tf\t\t\t\t77", "3 rfid 77 this mouse is in another study already"),
        ("M1\tBR-0", "3 – – 2 fields where the header has 7"),
    ],
)
def test_a_list_of_mice_with_errors_is_refused_whole(client, models, director, rows, told):
    begin(client)
    client.post(page("pdx_models"), {"pdx_model": [m.pk for m in models]})
    make_mouse(make_study("PDX-ELSE-01"), "M9", rfid="77", pdx_model=models[0])
    answer = client.post(page("mice"), {"way": "list", "table": LIST + "M0\tBR-0\tf\t\t\t\t\n" + rows})
    assert answer.status_code == 200
    assert told in errors(answer)
    assert not Study.objects.get(code=CODE).mice.exists()


def test_a_list_of_mice_is_taken_with_what_it_tells(client, models, director):
    begin(client)
    client.post(page("pdx_models"), {"pdx_model": [m.pk for m in models],
                                     **{f"passage-{m.pk}": m.passages.get(number=3).pk for m in models}})  # fmt: skip
    table = "Animal;PDX model;Sex;DOB;Cage;Ear;Passage\nA1;BR-0;F;2026-01-05;C7;1L;P2\nA2;BR-1;F;5 Jan 2026;C8;;\n"
    assert client.post(page("mice"), {"way": "list", "table": table}).status_code == 302
    first, second = Study.objects.get(code=CODE).mice.order_by("label")
    assert (first.cage.code, first.ear_tag, str(first.born_on)) == ("C7", "1L", "2026-01-05")
    assert (first.tumors.get().passage.number, second.tumors.get().passage.number) == (2, 3)
    assert AuditEvent.objects.get(action="added mice").new["mice"] == ["A1", "A2"]


def test_activation_names_what_is_missing_and_more_arms_than_mice(client, models, director, technician):
    fill_in(client, models, director, technician)
    study = Study.objects.get(code=CODE)
    study.mice.filter(label="M001").update(sex="", born_on=None)
    for mouse in study.mice.exclude(label__in=["M001", "M002", "M003"]):
        mouse.tumors.all().delete()
        mouse.delete()
    answer = client.post(page("review"), {"way": "activate", "username": "head", "password": PASSWORD})
    told = errors(answer)
    assert "There are more arms (4) than mice (3)." in told
    assert "The sex is not recorded for M001." in told and "The birth date is not recorded for M001." in told
    assert Study.objects.get(code=CODE).state == StudyState.DRAFT and not study.signatures.exists()


def test_an_expansion_cohort_is_never_offered_to_be_randomized(client, models, director):
    begin(client)
    client.post(page("pdx_models"), {"pdx_model": [m.pk for m in models]})
    assert client.post(page("mice"), mice_data(models)).status_code == 302
    donors = {**mice_data(models, 1), "cohort": "X", "kind": "expansion"}
    assert client.post(page("mice"), donors).status_code == 302
    study = Study.objects.get(code=CODE)
    assert study.cohorts.get(name="X").kind == "expansion" and study.mice.count() == 10
    assert {one.mouse.cohort.name for one in standings(study)} == {"A"}


def test_a_clone_has_the_protocol_and_no_animals(client, models, director, technician):
    fill_in(client, models, director, technician)
    source = Study.objects.get(code=CODE)
    client.post(page("review"), {"way": "template", "template-name": "MEK pairs", "template-description": ""})
    for code, start in (("PDX-MEK-03", f"clone-{source.pk}"), ("PDX-MEK-04", "template-1")):
        if start == "template-1":
            start = f"template-{source.templates.get().pk}"
        assert (
            client.post(reverse("new_study"), {"code": code, "title": "Again", "begin": start}).status_code
            == 302
        )
        made = Study.objects.get(code=code)
        assert not made.mice.exists() and made.state == StudyState.DRAFT
        assert [arm.name for arm in made.arms.order_by("position")] == [
            "Vehicle",
            "Binimetinib",
            "HRX-0233",
            "Both",
        ]
        assert made.analysis_plans.get().plan == source.analysis_plans.get().plan
        assert made.welfare_limits.get().volume_cap_mm3 == 1500 and made.schedule_days[-1] == 21
        assert made.planned_pdx_models.count() == 2 and made.memberships.get().user == director


def test_a_clone_of_a_blinded_study_leaves_its_arms_behind(client, models, director, technician):
    fill_in(client, models, director, technician)
    Study.objects.filter(code=CODE).update(state=StudyState.ACTIVE)
    source = Study.objects.get(code=CODE)
    client.post(reverse("new_study"), {"code": "PDX-MEK-03", "title": "Again", "begin": f"clone-{source.pk}"})
    made = Study.objects.get(code="PDX-MEK-03")
    assert not made.arms.exists() and not made.analysis_plans.exists() and made.welfare_limits.exists()


def test_the_guide_is_the_directors_alone(client, people):
    Study.objects.filter(pk=people.study.pk).update(state=StudyState.DRAFT)
    for name, person in people.everyone().items():
        client.force_login(person)
        strangers = ("outsider", "superuser")
        expected = 200 if name == Role.STUDY_DIRECTOR else 404 if name in strangers else 403
        for step in ("protocol", "pdx_models", "arms", "mice", "criteria", "plan", "blinding", "review"):
            address = reverse(f"set_up_{step}", args=[people.study.code])
            assert client.get(address).status_code == expected, (name, step)


def test_who_may_not_begin_a_study_is_told_so(client, people):
    for name, person in people.everyone().items():
        client.force_login(person)
        allowed = name in (Role.STUDY_DIRECTOR, "outsider")  # both direct a study
        answer = begin(client)
        assert (answer.status_code == 302) == allowed, name
        assert allowed or "You may not begin studies yet." in answer.content.decode()
        Study.objects.filter(code=CODE).update(code=f"taken by {name}")


def test_a_draft_with_an_allocation_shows_no_arm(client, study):
    Study.objects.filter(pk=study.pk).update(state=StudyState.DRAFT)
    make_mouse(study, "M001", make_arm(study, "canaryarm"))
    client.force_login(join(make_user("head"), study, Role.STUDY_DIRECTOR))
    for step in ("arms", "plan", "mice", "review"):
        answer = client.get(reverse(f"set_up_{step}", args=[study.code]), follow=True)
        assert answer.status_code == 200 and "canaryarm" not in answer.content.decode()


def test_a_running_study_is_not_set_up_again(client, study):
    client.force_login(join(make_user("head"), study, Role.STUDY_DIRECTOR))
    for step in ("protocol", "pdx_models", "arms", "criteria", "plan", "blinding"):
        answer = client.post(reverse(f"set_up_{step}", args=[study.code]), {"title": "Other"})
        assert answer.status_code == 302 and "/review/" in answer.url
    assert not StudyPdxModel.objects.exists() and not AuditEvent.objects.exists()


def test_an_arm_of_another_study_is_not_taken_over_by_its_key(client, models, director):
    begin(client)
    foreign = make_arm(make_study("PDX-ELSE-01"), "Other")
    answer = client.post(page("arms"), {**ARMS, "arm-0-key": foreign.pk})
    assert "An arm on this page was removed meanwhile; load the page again." in errors(answer)
    foreign.refresh_from_db()
    assert foreign.name == "Other" and not Study.objects.get(code=CODE).arms.exists()


def test_whoever_is_left_out_has_no_part_in_the_study_from_then_on(client, models, director, technician):
    fill_in(client, models, director, technician)
    alone = {"is_blinded": "yes", Role.STUDY_DIRECTOR: director.pk}
    assert client.post(page("blinding"), alone).status_code == 302
    membership = technician.memberships.get()
    assert not membership.is_active
    event = AuditEvent.objects.filter(object_type="studymembership", object_id=str(membership.pk)).latest(
        "pk"
    )
    assert (event.old, event.new["is_active"], event.new["user"]) == ({"is_active": True}, False, "tech")


def test_each_step_shows_what_is_stored(client, models, director, technician):
    fill_in(client, models, director, technician)
    client.post(page("criteria"), CRITERIA | {"limits-volume_cap_mm3": 1700})
    assert client.get(page("criteria")).context["limits_form"]["volume_cap_mm3"].value() == 1700
    shown = client.get(page("blinding")).context["form"].initial
    assert shown == {
        "is_blinded": "yes",
        Role.STUDY_DIRECTOR: [director.pk],
        Role.TECHNICIAN: [technician.pk],
    }
    Study.objects.filter(code=CODE).update(is_blinded=False)
    assert client.get(page("blinding")).context["form"].initial["is_blinded"] == "no"


def test_the_passage_planned_is_on_record_with_its_pdx_model(client, models, director, technician):
    fill_in(client, models, director, technician)
    client.post(page("pdx_models"), {"pdx_model": [model.pk for model in models]})
    planned, changed = (
        AuditEvent.objects.filter(action=action).earliest("pk").new
        for action in ("planned a PDX model", "changed a planned PDX model")
    )
    assert (planned["pdx_model"], planned["passage"]) == ("BR-0", str(models[0].passages.get(number=3)))
    assert (changed["pdx_model"], changed["passage"]) == ("BR-0", None)


@pytest.mark.parametrize(("name", "least", "most"), [("tgi", 1, 99), ("power", 50, 99)])
def test_an_effect_and_its_power_are_declared_within_their_ends(
    client, models, director, technician, name, least, most
):
    fill_in(client, models, director, technician)
    whole = PLAN | {"target_tgi_percent": 60, "target_power_percent": 80, "target_source": "PDX-01, 2024"}
    for value, status in ((least - 0.1, 200), (least, 302), (most, 302), (most + 0.1, 200)):
        assert client.post(page("plan"), whole | {f"target_{name}_percent": value}).status_code == status, (
            value
        )


def test_a_code_has_sixty_characters_at_most(client, director):
    for n, status in ((60, 302), (61, 200)):
        answer = client.post(reverse("new_study"), {"code": "P" * n, "title": "MEK in MAP2K4"})
        assert answer.status_code == status, n


def test_a_combination_is_held_against_at_least_two_single_agents(study):
    vehicle, one, two, both, half = (
        make_arm(study, name, role)
        for name, role in (("vehicle", "vehicle"), ("A", "single_agent"), ("B", "single_agent"),
                           ("A+B", "combination"), ("A+C", "combination"))
    )  # fmt: skip
    agents = {name: Agent.objects.create(name=name) for name in "ABC"}
    for arm, given in ((one, "A"), (two, "B"), (both, "AB"), (half, "AC")):
        for name in given:
            ArmAgent.objects.create(arm=arm, agent=agents[name])
    assert combinations([vehicle, one, two, both, half]) == [{"arm": "A+B", "parts": ["A", "B"]}]
