import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from studies.desk.study_list import found, rows
from studies.models import Study
from studies.terms import Role, StudyState
from tests.factories import make_measurement, make_mouse, make_pdx_model, make_session, make_study
from tests.people import join, make_user


@pytest.fixture
def director(db):
    return make_user("director")


def studies_found(director, query: str, state: str = "") -> list[str]:
    return [study.code for study in found(director, query, state)]


def test_a_study_is_found_by_code_title_protocol_and_its_pdx_models(director):
    first = join_study(director, "ALPHA-1", title="Dose finding", protocol_number="P-77")
    join_study(director, "BETA-2", title="Combination")
    make_mouse(first, pdx_model=make_pdx_model("COL-9", cancer_type="colon"))
    for query in ("alpha", "dose", "p-77", "col-9", "COLON", "dose colon"):
        assert studies_found(director, query) == ["ALPHA-1"], query
    assert studies_found(director, "dose combination") == []
    assert studies_found(director, "") == ["ALPHA-1", "BETA-2"]


def test_states_filter_and_an_unknown_state_filters_nothing(director):
    join_study(director, "ALPHA-1", state=StudyState.DRAFT)
    join_study(director, "BETA-2")
    assert studies_found(director, "", "draft") == ["ALPHA-1"]
    assert studies_found(director, "", "no-such-state") == ["ALPHA-1", "BETA-2"]


def test_searching_finds_no_study_of_others(client, director):
    make_study("SECRET-1", title="Dose finding")
    client.force_login(director)
    content = client.get("/studies/?q=dose").content.decode()
    assert "SECRET-1" not in content
    assert "No study of yours fits" in content


def test_rows_count_mice_models_and_the_last_visit_that_holds_a_reading(director):
    study = join_study(director, "ALPHA-1")
    first = make_mouse(study, "M1", pdx_model=make_pdx_model("A"))
    make_mouse(study, "M2", pdx_model=make_pdx_model("B"))
    make_mouse(study, "M3", pdx_model=make_pdx_model("B"))
    make_measurement(make_session(study, 3), first)
    make_session(study, 7)  # planned, nobody measured yet
    row = rows(director, [study])[0]
    assert (row.mice, row.pdx_models, row.last_visit_day) == (3, 2, 3)


def test_a_report_reader_learns_no_counts(db):
    reader = make_user("sponsor")
    study = join_study(reader, "ALPHA-1", role=Role.REPORT_READER)
    make_mouse(study)
    assert rows(reader, [study])[0].mice is None


def test_the_list_takes_as_many_queries_for_forty_studies_as_for_one(client, director):
    client.force_login(director)

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get("/studies/").status_code == 200
        return len(asked)

    make_mouse(join_study(director, "S-00"))
    for_one = queries()
    for number in range(1, 40):
        make_mouse(join_study(director, f"S-{number:02d}"))
    assert queries() == for_one


def join_study(user, code: str, role: Role = Role.STUDY_DIRECTOR, **fields) -> Study:
    study = make_study(code, **fields)
    join(user, study, role)
    return study


def test_search_tells_a_doser_nothing_of_the_pdx_models_of_a_study(people):
    make_mouse(people.study, pdx_model=make_pdx_model("SECRET-7"))
    assert studies_found(people.study_director, "secret-7") == [people.study.code]
    assert studies_found(people.doser, "secret-7") == []
    assert studies_found(people.report_reader, "secret-7") == []
