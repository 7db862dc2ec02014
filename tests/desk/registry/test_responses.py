"""A PDX model's responses: against controls of the same study and PDX model, only where arms may be seen."""

from math import exp

import pytest

from studies.desk.registry.responses import Cell, open_studies, response_cells
from studies.models import Agent, ArmAgent, GenotypeCall
from studies.terms import ArmRole, StudyState
from tests.factories import make_arm, make_measurement, make_mouse, make_pdx_model, make_session

DAYS = (0, 7, 14)


@pytest.fixture
def treated(study, people):
    """BR-101 grows 10 % a day, and 5 % slower under a drug; KRAS wild type, MAP2K4 lost. The study is blinded."""
    model = make_pdx_model("BR-101", "loss_of_function")
    GenotypeCall.objects.create(pdx_model=model, gene="KRAS", functional_class="wild_type")
    vehicle, drug = make_arm(study), make_arm(study, "arm two", ArmRole.SINGLE_AGENT)
    ArmAgent.objects.create(arm=drug, agent=Agent.objects.create(name="binimetinib"))
    sessions = [make_session(study, day) for day in DAYS]
    for n, (arm, rate) in enumerate(((vehicle, 0.10), (vehicle, 0.10), (drug, 0.05))):
        mouse = make_mouse(study, f"M{n}", arm, pdx_model=model)
        for session in sessions:
            make_measurement(session, mouse, length_mm=8.0 * exp(rate * session.study_day), width_mm=8.0)
    return study


def opened(study):
    study.state = StudyState.UNBLINDED
    study.save()
    return study


def test_the_cell_is_treated_over_control_after_a_week(treated, people):
    study, model = opened(treated), treated.mice.first().pdx_model
    assert open_studies(people.statistician, model) == [study]
    cells = response_cells([study], people.statistician)
    assert set(cells) == {("binimetinib", "BR-101")}
    cell = cells["binimetinib", "BR-101"]
    assert (cell.n_treated, cell.n_control) == (1, 2)
    assert cell.percent == pytest.approx(100 * exp(7 * -0.05)) and cell.color_class == 3


def test_a_blinded_study_and_another_s_study_take_no_part(client, treated, people):
    model = treated.mice.first().pdx_model
    for person in people.by_role.values():
        assert open_studies(person, model) == []
        client.force_login(person)
        answer = client.get(f"/pdx-models/{model.code}/responses/")
        assert answer.status_code == 403 or "binimetinib" not in answer.content.decode()
    opened(treated)
    assert open_studies(people.outsider, model) == [] and open_studies(people.superuser, model) == []


def test_the_heatmap_tells_agent_number_and_genotype_tracks(client, treated, people):
    opened(treated)
    client.force_login(people.statistician)
    page = client.get("/pdx-models/BR-101/responses/").content.decode()
    part = client.get("/pdx-models/BR-101/responses/", headers={"X-Part": "yes"}).content.decode()
    for text in (page, part):
        assert "binimetinib" in text and "1/2" in text and "status-loss_of_function" in text
        assert '<span class="visually-hidden">wild type</span>' in text
        assert '<span class="visually-hidden">hidden</span>' not in text
        assert all(f'<th scope="row">{gene}</th>' in text for gene in ("MAP2K4", "MAP3K1", "KRAS"))
    assert "<html" in page and "<html" not in part
    assert 'data-part="/pdx-models/BR-101/responses/"' in client.get("/pdx-models/BR-101/").content.decode()


@pytest.mark.parametrize("place, end", enumerate((40, 55, 70, 85, 115, 140)))
def test_a_color_reaches_to_its_end(place, end):
    assert (Cell(end, 1, 1).color_class, Cell(end + 0.1, 1, 1).color_class) == (place, place + 1)
