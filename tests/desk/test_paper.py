"""What is printed, for whom, and that cards and labels tell nothing of the arms."""

import io
import re
from datetime import date

import pytest
from django.utils import timezone
from pypdf import PdfReader

from studies.actions.allocate_mice import Choices, allocate
from studies.actions.audit import allocation_chain, broken_link
from studies.actions.dose_sheet import dose_sheet
from studies.actions.sealed_papers import PaperRefused, in_rack_order, latest_weights, open_sealed_list
from studies.models import (
    Allocation,
    ArmAgent,
    AuditEvent,
    Cage,
    Cohort,
    Exclusion,
    Exit,
    MeasurementSession,
    Mouse,
    SyringeCode,
)
from studies.terms import Role, StudyState
from tests.cohorts import ARMS, make_arms, make_cohort, read
from tests.factories import make_measurement, make_mouse, make_session
from tests.people import PASSWORD

CARDS = {Role.TECHNICIAN, Role.STUDY_DIRECTOR, Role.VETERINARIAN}
ROOT = "/studies/PDX-TEST-01"


@pytest.fixture
def drawn(study, people):
    make_arms(study)
    make_cohort(study, 12, on=timezone.now().date())
    Cage.objects.filter(code="C03").update(code="C10")
    Cage.objects.filter(code="C02").update(code="C2")
    allocate(study, "A", Choices("sorted_block"), seed="abc", actor=people.study_director, at=timezone.now())
    Cohort.objects.update(day0=timezone.now().date())
    return study


def text_of(content: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)


def sizes_mm(content: bytes) -> set[tuple[int, int]]:
    boxes = [page.mediabox for page in PdfReader(io.BytesIO(content)).pages]
    return {(round(float(box.width) / 72 * 25.4), round(float(box.height) / 72 * 25.4)) for box in boxes}


@pytest.mark.parametrize(
    ("path", "audience", "method"),
    [
        ("/cage-cards.pdf", CARDS, "get"),
        ("/mouse-labels.pdf", CARDS, "get"),
        ("/dose-sheet/", {Role.DOSER}, "get"),
        ("/dose-sheet/", {Role.DOSER}, "post"),
        ("/sealed-list/", {Role.ALLOCATION_CUSTODIAN}, "get"),
        ("/sealed-list/", {Role.ALLOCATION_CUSTODIAN}, "post"),
    ],
)
def test_each_paper_is_for_its_roles_and_is_not_there_for_strangers(
    client, study, people, path, audience, method
):
    for role, person in people.by_role.items():
        client.force_login(person)
        status = getattr(client, method)(ROOT + path).status_code
        assert (status in (200, 422)) == (role in audience), f"{role}: {status}"
        assert role in audience or status == 403
    for stranger in (people.outsider, people.superuser):
        client.force_login(stranger)
        assert getattr(client, method)(ROOT + path).status_code == 404


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/cage-cards.pdf", (210, 297)),
        ("/cage-cards.pdf?size=label", (100, 62)),
        ("/mouse-labels.pdf", (210, 297)),
        ("/mouse-labels.pdf?size=label", (50, 25)),
    ],
)
def test_cards_and_labels_name_every_mouse_in_rack_order_and_no_arm(client, drawn, people, path, size):
    client.force_login(people.technician)
    response = client.get(ROOT + path)
    assert response["Content-Type"] == "application/pdf"
    told = text_of(response.content)
    assert sizes_mm(response.content) == {size}
    assert re.findall(r"M0\d\d", told) == [f"M{number:03d}" for number in range(1, 13)]
    codes = SyringeCode.objects.values_list("code", flat=True)
    assert not any(word in told for word in (*ARMS, *codes, "wild type"))


def test_cages_stand_in_the_order_of_the_rack(client, drawn, people):
    client.force_login(people.technician)
    told = text_of(client.get(f"{ROOT}/cage-cards.pdf?size=label").content)
    assert re.findall(r"\b(C\d+)B2 R1", told) == ["C01", "C2", "C10"]
    assert in_rack_order("R2", "C2") < in_rack_order("R2", "C10") < in_rack_order("R10", "C1")


@pytest.mark.parametrize("size", ["a4", "label"])
def test_a_crowded_cage_gets_a_second_card_rather_than_losing_a_mouse(drawn, size):
    from studies.reports import paper

    Mouse.objects.update(cage=Cage.objects.get(code="C01"), ear_tag="")
    told = text_of(paper.cage_cards(drawn, size, timezone.now()))
    assert re.findall(r"M0\d\d", told) == [f"M{number:03d}" for number in range(1, 13)]
    assert "card 2 of 2" in told


def test_a_qr_code_holds_the_cage_or_the_mouse_across_studies(drawn, monkeypatch):
    from studies.reports import paper

    held = []
    monkeypatch.setattr(paper, "_qr", lambda text: held.append(text) or "data:,")
    paper.cage_cards(drawn, paper.A4, timezone.now())
    paper.mouse_labels(drawn, paper.A4, timezone.now())
    assert held[:4] == [
        "PDX-TEST-01/cage/C01", "PDX-TEST-01/cage/C2", "PDX-TEST-01/cage/C10", "PDX-TEST-01/M001",
    ]  # fmt: skip


def test_the_dose_sheet_names_syringe_codes_and_no_arm(client, drawn, people):
    client.force_login(people.doser)
    response = client.post(f"{ROOT}/dose-sheet/")
    told = text_of(response.content)
    assert not any(arm in told for arm in ("vehicle", "drug"))
    for allocation in Allocation.objects.select_related("mouse", "arm__syringe_code"):
        assert allocation.mouse.label in told and allocation.arm.syringe_code.code in told
    event = AuditEvent.objects.get(action="made a dose sheet")
    assert event.chain == allocation_chain(drawn) and event.actor == people.doser


def line_of(study, people, mouse, at=None):
    lines = dose_sheet(study, people.doser, at or timezone.now()).lines
    return next(line for line in lines if line.due.mouse == mouse.label)


def test_a_dose_is_volume_by_weight_of_today_else_of_the_last_day(drawn, people):
    now = timezone.now()
    session = make_session(drawn, 3)
    type(session).objects.filter(pk=session.pk).update(due_on=now.date())
    session.refresh_from_db()
    treated = Allocation.objects.filter(arm__name="drug A").first().mouse
    read(session, treated, 150.0, 25.0)
    line = line_of(drawn, people, treated)
    assert (line.due.weight_g, line.weighed_today, line.volume_ul) == (25.0, True, 250.0)
    line = line_of(drawn, people, treated, now + timezone.timedelta(days=2))
    assert (line.weighed_today, line.weighed_on) == (False, now.date())


def test_the_latest_weight_is_of_today_or_before(study):
    mouse = make_mouse(study)
    for day, weight in ((3, 21.0), (5, 22.0), (4, 23.0), (7, 24.0)):
        session = MeasurementSession.objects.create(study=study, due_on=date(2026, 6, day))
        make_measurement(session, mouse, weight_g=weight)
    assert latest_weights(study, date(2026, 6, 6)) == {mouse.pk: (date(2026, 6, 5), 22.0)}
    assert latest_weights(study, date(2026, 6, 7)) == {mouse.pk: (date(2026, 6, 7), 24.0)}
    assert latest_weights(study, date(2026, 6, 2)) == {}


def test_a_vehicle_without_a_volume_of_its_own_does_not_stand_out(drawn, people):
    """A blank in one arm's lines would tell the doser which syringe holds the vehicle."""
    lines = dose_sheet(drawn, people.doser, timezone.now()).lines
    assert lines and all(line.volume_ul and line.due.route == "oral" for line in lines)


def test_mice_without_a_dose_today_are_counted_by_reason(client, drawn, people):
    """Gone, excluded, never drawn, of a cohort not begun, or with no dose on this day of the schedule."""
    gone, out, *_ = drawn.mice.order_by("label")
    Exit.objects.create(mouse=gone, reason="tumor_size", day=0)
    Exclusion.objects.create(mouse=out, reason="ulcerated", excluded_at=timezone.now())
    make_cohort(drawn, 2, "B", first=30, on=timezone.now().date())
    sheet = dose_sheet(drawn, people.doser, timezone.now())
    assert not {gone.label, out.label} & {line.due.mouse for line in sheet.lines}
    assert sheet.stale == 0 < len(sheet.lines)
    assert sheet.not_due == {"not randomized": 2, "left the study": 1, "excluded": 1}
    ArmAgent.objects.update(frequency="q7d")
    later = dose_sheet(drawn, people.doser, timezone.now() + timezone.timedelta(days=1))
    assert not any(line.due.syringe.startswith("drug") for line in later.lines)
    assert later.stale == len(later.lines)  # weighed the day before
    assert later.not_due["no dose due today"] + len({line.due.mouse for line in later.lines}) == 10
    ArmAgent.objects.update(first_day=1)
    on_day_0 = dose_sheet(drawn, people.doser, timezone.now())
    assert not [reason for reason in on_day_0.not_due if reason.startswith("first dose on")]
    Cohort.objects.update(day0=timezone.now().date() + timezone.timedelta(days=3))
    none_yet = dose_sheet(drawn, people.doser, timezone.now())
    assert none_yet.lines == () and sum(none_yet.not_due.values()) == 14
    client.force_login(people.doser)
    told = text_of(client.post(f"{ROOT}/dose-sheet/").content)
    assert "No dose is due today" in told and "Without a dose today: 10 (first dose on" in told


def test_a_mouse_on_holiday_is_named_with_the_reason_and_given_no_volume(client, drawn, people):
    now, mouse = timezone.now(), drawn.mice.first()
    session = make_session(drawn, 3)
    type(session).objects.filter(pk=session.pk).update(due_on=now.date())
    session.refresh_from_db()
    read(session, mouse, 150.0, 15.0)
    line = line_of(drawn, people, mouse)
    assert line.volume_ul is None and line.stop.startswith("dosing holiday: weight loss")
    client.force_login(people.doser)
    assert "Do not dose: dosing holiday" in text_of(client.post(f"{ROOT}/dose-sheet/").content).replace(
        "\n", " "
    )


def test_an_open_study_names_arms_and_agents_on_the_sheet(client, drawn, people):
    drawn.state = StudyState.UNBLINDED
    drawn.save()
    client.force_login(people.doser)
    assert "drug A: agent 1 11 mg/kg" in text_of(client.post(f"{ROOT}/dose-sheet/").content).replace(
        "\n", " "
    )


def test_the_sealed_list_tells_all_and_is_recorded_first(client, drawn, people):
    client.force_login(people.allocation_custodian)
    form = {"reason": "yearly check", "username": people.allocation_custodian.username, "password": PASSWORD}
    for wrong in ({**form, "reason": ""}, {**form, "password": "wrong"}):
        assert client.post(f"{ROOT}/sealed-list/", wrong).status_code == 422
    assert not AuditEvent.objects.filter(action__startswith="opened the sealed").exists()
    told = text_of(client.post(f"{ROOT}/sealed-list/", form).content)
    for allocation in Allocation.objects.select_related("mouse", "arm__syringe_code"):
        row = (
            f"{allocation.mouse.label}.*{allocation.arm.syringe_code.code}.*{re.escape(allocation.arm.name)}"
        )
        assert re.search(row, told)
    event = AuditEvent.objects.get(action="opened the sealed allocation list")
    assert (event.chain, event.reason) == (allocation_chain(drawn), "yearly check")
    assert broken_link(allocation_chain(drawn)) is None


def test_the_sealed_list_wants_a_reason_and_an_allocation(drawn, people):
    custodian, now = people.allocation_custodian, timezone.now()
    with pytest.raises(PaperRefused, match="Say why the sealed list is opened; the reason is kept"):
        open_sealed_list(drawn, custodian, " ", now)
    Exclusion.objects.bulk_create(
        Exclusion(mouse=mouse, reason="all ill", excluded_at=now) for mouse in drawn.mice.all()
    )
    with pytest.raises(PaperRefused, match="No mouse is allocated yet"):
        open_sealed_list(drawn, custodian, "yearly check", now)
    assert not AuditEvent.objects.filter(action__startswith="opened the sealed").exists()


@pytest.mark.parametrize("role", [role for role in Role if role != Role.ALLOCATION_CUSTODIAN])
def test_the_acts_ask_for_the_role_themselves(drawn, people, role):
    with pytest.raises(PermissionError):
        open_sealed_list(drawn, people.by_role[role], "curious", timezone.now())
    if role != Role.DOSER:
        with pytest.raises(PermissionError):
            dose_sheet(drawn, people.by_role[role], timezone.now())


def test_before_the_allocation_there_is_nothing_to_print(client, study, people):
    client.force_login(people.doser)
    response = client.post(f"{ROOT}/dose-sheet/")
    assert response.status_code == 422 and "nothing to dose" in response.content.decode()
    client.force_login(people.technician)
    assert "holds a mouse" in text_of(client.get(f"{ROOT}/cage-cards.pdf").content)


def test_the_study_page_leads_the_doser_and_the_custodian_to_their_paper(client, study, people):
    for person, link in ((people.doser, "dose-sheet"), (people.allocation_custodian, "sealed-list")):
        client.force_login(person)
        assert f'href="{ROOT}/{link}/"' in client.get(f"{ROOT}/").content.decode()
