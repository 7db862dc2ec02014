"""A file becomes a historical study, whole or not at all, and its report tells the same numbers."""

import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection
from django.utils import timezone

from studies import access, frames, triggers
from studies.actions import audit, revisions
from studies.actions.import_study import import_studies
from studies.actions.study_draft import _numbered
from studies.analysis import analyze_study
from studies.analysis.tables import pool_studies
from studies.imports import ImportRefused, read_measurement_table
from studies.models import AuditEvent, ImportBatch, Measurement, Mouse, Passage, PdxModel, Study, Tumor
from tests.factories import make_pdx_model, make_study

pytestmark = pytest.mark.django_db

TWO_STUDIES = """\
study,model,mouse,arm,treatment,day,volume_mm3,body_weight_g,map2k4_status,MAP2K4_call,KRAS
S1,P1,1,control,Vehicle,-2,101.23456789012345,20.1,wild_type,0,G12C
S1,P1,1,control,Vehicle,0,140,20.4,wild_type,0,G12C
S1,P1,1,control,Vehicle,7,420.5,,wild_type,0,G12C
S1,P1,1,treated,binimetinib,0,150,19.9,wild_type,0,G12C
S1,P1,1,treated,binimetinib,7,0,19.2,wild_type,0,G12C
S1,P1,1,treated,binimetinib,14,,19.0,wild_type,0,G12C
S2,P2,1,control,Vehicle,0,133,21,mutant,S184L,0
S2,P2,1,control,Vehicle,7,260,21,mutant,S184L,0
S2,P2,2,treated,binimetinib,0,128,21,mutant,S184L,0
S2,P2,2,treated,binimetinib,7,90,21,mutant,S184L,0
"""


def read(text: str, name: str = "two.csv"):
    return read_measurement_table(text.encode(), name)


def bring_in(text: str = TWO_STUDIES, **options):
    return import_studies(read(text), at=timezone.now(), **options)


def counts() -> dict[str, int]:
    return {
        model.__name__: model.objects.count() for model in (Study, Mouse, Measurement, PdxModel, AuditEvent)
    }


def test_each_study_of_the_file_becomes_one():
    results = bring_in()
    assert [(r.code, r.rows, r.mice, r.is_new) for r in results] == [("S1", 6, 2, True), ("S2", 4, 2, True)]
    study = Study.objects.get(code="S1")
    assert (study.origin, study.state, study.is_blinded) == ("imported", "unblinded", False)
    assert not study.sessions.filter(due_on__isnull=False).exists()
    assert list(study.sessions.values_list("study_day", flat=True)) == [-2, 0, 7, 14]


def test_a_pool_is_one_study_that_remembers_where_its_mice_came_from():
    (result,) = bring_in(code="POOL")
    assert (result.code, result.rows, result.mice) == ("POOL", 10, 4)
    assert set(Mouse.objects.values_list("source_study", flat=True)) == {"S1", "S2"}
    assert Mouse.objects.values("label").distinct().count() == 4


def test_one_id_in_two_arms_is_two_mice():
    bring_in()
    labels = Mouse.objects.filter(study__code="S1").values_list("label", flat=True)
    assert sorted(labels) == ["Vehicle/1", "binimetinib/1"]


def test_zero_is_not_palpable_empty_is_not_done_and_digits_survive():
    bring_in()
    treated = Measurement.objects.filter(mouse__label="binimetinib/1").order_by("session__study_day")
    assert [(m.status, m.reported_volume_mm3) for m in treated] == [
        ("measured", 150.0),
        ("not_palpable", None),
        ("not_done", None),
    ]
    assert Measurement.objects.filter(reported_volume_mm3=101.23456789012345).exists()


def test_what_the_file_does_not_tell_stays_empty():
    bring_in()
    mouse = Mouse.objects.first()
    assert (mouse.cage, mouse.born_on, mouse.sex, mouse.ear_tag) == (None, None, "", "")
    assert not mouse.allocation.arm.arm_agents.exists()


def test_genes_reach_the_registry():
    bring_in()
    assert PdxModel.objects.get(code="P2").map2k4_status == "loss_of_function"
    calls = PdxModel.objects.get(code="P1").genotype_calls.values_list("gene", "variant", "functional_class")
    assert set(calls) == {("MAP2K4", "", "wild_type"), ("KRAS", "G12C", "uncertain")}


def test_a_second_run_adds_nothing():
    bring_in()
    before = counts()
    assert [result.is_new for result in bring_in()] == [False, False]
    assert counts() == before


def test_another_file_of_the_same_study_is_refused_whole():
    bring_in()
    before = counts()
    with pytest.raises(ImportRefused, match="on record"):
        bring_in(TWO_STUDIES.replace("420.5", "421.5").replace("S2,", "S3,"))
    assert counts() == before


def test_a_status_against_the_registry_is_refused_by_line():
    make_pdx_model("P2", status="wild_type")
    with pytest.raises(ImportRefused) as refused:
        bring_in()
    (error,) = refused.value.errors
    assert (error.line, error.column, error.value) == (8, "map2k4_status", "loss_of_function")
    assert "registry" in error.reason
    assert not Study.objects.exists()


def test_a_model_on_record_is_used_and_not_doubled():
    known = make_pdx_model("P2", status="loss_of_function", cancer_type="breast")
    bring_in()
    assert PdxModel.objects.filter(code="P2").get() == known
    assert known.genotype_calls.filter(gene="MAP2K4").count() == 1


def test_a_control_that_is_not_there_is_refused_with_the_arms_that_are():
    with pytest.raises(ImportRefused, match="arms: Vehicle, binimetinib"):
        bring_in(control="placebo")


def test_a_control_may_be_named_where_the_file_marks_none():
    bring_in("mouse,arm,day,volume_mm3\n1,A,0,100\n2,B,0,100\n", control="B")
    assert dict(Study.objects.get().arms.values_list("name", "role")) == {"A": "", "B": "vehicle"}


def test_a_mouse_with_two_exits_is_refused():
    text = "mouse,arm,day,volume_mm3,exit_reason\n1,A,0,100,sampled\n1,A,3,100,found_dead\n"
    with pytest.raises(ImportRefused, match="found_dead, sampled"):
        bring_in(text)


def test_exits_cages_blocks_and_passages_come_along():
    bring_in(
        "mouse,arm,day,volume_mm3,exit_reason,treatment_related,cage,block,passage,operator\n"
        "1,A,0,100,,,C1,b1,P4,kim\n1,A,9,2100,tumor_size,no,C2,b1,P4,lee\n"
    )
    mouse = Mouse.objects.get()
    assert (mouse.exit.reason, mouse.exit.day, mouse.exit.treatment_related) == ("tumor_size", 9, "no")
    assert (mouse.cage.code, mouse.allocation.block, mouse.tumors.get().passage.number) == ("C2", "b1", 4)
    assert set(Measurement.objects.values_list("observer_name", flat=True)) == {"kim", "lee"}


def test_the_event_vouches_for_the_rows_and_a_changed_row_shows():
    bring_in()
    batch = ImportBatch.objects.get(study__code="S1")
    event = AuditEvent.objects.get(action="imported", object_id=str(batch.pk))
    assert event.new["rows_sha256"] == batch.rows_sha256 == revisions.stored_sha256(batch)
    assert event.new["file_sha256"] == read(TWO_STUDIES).sha256
    assert audit.broken_link(event.chain) is None

    triggers.drop(connection)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE studies_measurement SET weight_g = 25 WHERE weight_g = 20.4")
    triggers.install(connection)
    assert revisions.stored_sha256(batch) != batch.rows_sha256


def test_nothing_is_half_imported_when_the_database_refuses_late(monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("power cut")

    monkeypatch.setattr("studies.actions.import_study.record_event", fail)
    with pytest.raises(RuntimeError):
        bring_in()
    assert set(counts().values()) == {0}


def numbers_of(analysis: dict) -> dict:
    """An analysis without what says where its rows came from."""
    return {key: value for key, value in analysis.items() if key not in ("input", "notes", "plan", "record")}


def assert_same(one, other, path: str = "") -> None:
    """Equal to the fifth digit: where columns lie in memory decides at which digit a search for an optimum stops."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            assert_same(one[key], other[key], f"{path}/{key}")
    elif isinstance(one, list):
        assert len(one) == len(other), path
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{path}[{place}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert one == pytest.approx(other, rel=1e-5, abs=1e-8), path
    else:
        assert one == other, path


def assert_same_numbers(text: str, name: str, code: str, pool: bool = False) -> None:
    table = read(text, name)
    import_studies(table, at=timezone.now(), code=code if pool else None)
    frame = pool_studies(table.frame, code) if pool else table.frame[table.frame["study"] == code]
    headless = analyze_study(frame).to_dict()
    from_record = analyze_study(
        frames.measurement_table(Study.objects.get(code=code), access.OPERATOR)
    ).to_dict()
    assert_same(numbers_of(from_record), numbers_of(headless))
    for computed_directly in ("arms", "tgi", "growth", "responses", "times_to_event"):
        assert from_record[computed_directly] == headless[computed_directly]
    assert from_record["input"]["rows"] == headless["input"]["rows"]


@pytest.mark.parametrize(("code", "pool"), [("S1", False), ("POOL", True)])
def test_the_record_gives_the_same_numbers_as_the_file(code, pool):
    assert_same_numbers(TWO_STUDIES, "two.csv", code, pool)


@pytest.mark.parametrize(
    ("file", "code", "pool"),
    [
        ("pdxe_binimetinib.csv", "PDXE", True),
        ("repdx_xeva.csv", "REPDX_xeva", False),
        ("slmm_mas98_her_trast.csv", "MAS98.06_Her_Trast", False),
        ("tumr_melanoma1.csv", "tumr_melanoma1", False),
    ],
)
def test_the_record_gives_the_same_numbers_on_published_studies(real_data, file, code, pool):
    assert_same_numbers((real_data / "studies" / file).read_text(), file, code, pool)


def test_caliper_lengths_come_back_as_the_same_volumes():
    text = "mouse,arm,role,day,length_mm,width_mm,replicate,tumor\n" + "".join(
        f"{mouse},{arm},{role},{day},{8 + day / 3 + mouse / 7},{6 + day / 4},{replicate},{tumor}\n"
        for mouse, arm, role in ((1, "V", "vehicle"), (2, "V", "vehicle"), (3, "T", ""), (4, "T", ""))
        for day in (0, 4, 8, 12)
        for replicate in (1, 2)
        for tumor in ("L", "R")
    )  # fmt: skip
    assert_same_numbers(text, "calipers.csv", "calipers")


def test_the_command_prints_what_was_assumed_and_exits_2_with_every_defect(tmp_path: Path, capsys):
    good = tmp_path / "two.csv"
    good.write_text(TWO_STUDIES.replace(",", ";"))
    call_command("import_study", good)
    assert "semicolons" in capsys.readouterr().out
    bad = tmp_path / "bad.csv"
    bad.write_text(TWO_STUDIES.replace("420.5", "-4").replace(",133,", ",abc,"))
    before = counts()
    with pytest.raises(CommandError) as refused:
        call_command("import_study", bad)
    assert refused.value.returncode == 2
    assert "line 4" in str(refused.value) and "line 8" in str(refused.value)
    assert counts() == before


@pytest.mark.parametrize("missing", ["nowhere.csv", "."])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, missing):
    with pytest.raises(CommandError) as refused:
        call_command("import_study", tmp_path / missing)
    assert refused.value.returncode == 2


def test_a_director_sees_the_import_at_once_and_others_do_not(people):
    bring_in(director=people.study_director)
    assert access.studies_of(people.study_director).filter(code="S1").exists()
    assert not access.studies_of(people.technician).filter(code="S1").exists()


def test_a_code_longer_than_the_record_takes_is_refused():
    with pytest.raises(ImportRefused, match="60 characters"):
        bring_in(code="S" * 61)


def test_a_live_study_is_never_imported_into():
    make_study("S1")
    with pytest.raises(ImportRefused, match="on record"):
        bring_in()


@pytest.mark.django_db(transaction=True)
def test_two_people_importing_one_file_at_once_make_one_study():
    together, outcomes = threading.Barrier(2), []

    def import_it() -> None:
        table = read(TWO_STUDIES)
        together.wait()
        try:
            outcomes.append([result.is_new for result in import_studies(table, at=timezone.now())])
        finally:
            connection.close()

    threads = [threading.Thread(target=import_it) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [[False, False], [True, True]]
    assert counts() == {"Study": 2, "Mouse": 4, "Measurement": 10, "PdxModel": 2, "AuditEvent": 3}
    assert all(audit.broken_link(chain) is None for chain in audit.chains())


HEAD = "study,model,mouse,arm,day,volume_mm3"


def row_error(text: str) -> tuple[int | None, str | None]:
    """Where a file with one defect is refused; nothing may be left behind."""
    before = counts()
    with pytest.raises(ImportRefused) as refused:
        bring_in(text)
    assert counts() == before
    (error,) = refused.value.errors
    return error.line, error.column


def test_a_tumor_has_a_passage_of_its_own_pdx_model():
    models = ("PA", "PB", "PC")
    bring_in(f"{HEAD},passage\n" + "".join(f"S,{m},{m}1,A,0,100,P4\n" for m in models))
    for tumor in Tumor.objects.select_related("mouse", "passage"):
        assert tumor.passage.pdx_model_id == tumor.mouse.pdx_model_id
    assert sorted(Passage.objects.values_list("pdx_model__code", "number")) == [(m, 4) for m in models]


def test_a_height_beside_a_volume_alone_is_left_out():
    bring_in(f"{HEAD},height_mm\nS,P,1,A,0,100,5\n")
    assert Measurement.objects.get().height_mm is None


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (("left", "2"), [1, 2]),
        (("2", "1"), [1, 2]),
        (("1", "01"), [1, 2]),
        (("", "1"), [1, 2]),
        (("3", "7"), [3, 7]),
    ],
    ids=str,
)
def test_tumors_by_any_name_are_told_apart(names, numbers):
    rows = "".join(f"S,P,1,A,{day},100,{name}\n" for name in names for day in (0, 3))
    bring_in(f"{HEAD},tumor\n{rows}")
    assert sorted(Tumor.objects.values_list("number", flat=True)) == numbers
    assert Measurement.objects.count() == 4


@pytest.mark.parametrize("status", ["not_palpable", "not_done"])
@pytest.mark.parametrize(("columns", "sizes"), [("volume_mm3", "100"), ("length_mm,width_mm", "10,8")])
def test_a_status_without_a_size_refuses_one(status, columns, sizes):
    with pytest.raises(ImportRefused, match=f"contradicts the status {status}") as refused:
        bring_in(f"mouse,arm,day,{columns},status\n1,A,0,{sizes},{status}\n")
    assert {error.line for error in refused.value.errors} == {2}


@pytest.mark.parametrize(
    ("column", "longest"),
    [
        ("pdx_model", 60),
        ("arm", 100),
        ("mouse", 120),
        ("cage", 40),
        ("block", 60),
        ("operator", 120),
        ("tumor", 100),
        ("tumor_type", 100),
        ("KRAS", 100),
    ],
)
def test_a_text_longer_than_the_record_holds_is_refused_by_line(column, longest):
    def text(length: int) -> str:
        plain = {"pdx_model": "P", "mouse": "1", "arm": "A", "day": "0", "volume_mm3": "100"}
        first, second = {**plain, column: "x"}, {**plain, column: "y" * length, "day": "3"}
        return "\n".join(",".join(row) for row in (first, first.values(), second.values()))

    assert row_error(text(longest + 1)) == (3, column)
    bring_in(text(longest))


@pytest.mark.parametrize("passage", ["P32768", "99999999"])
def test_a_passage_beyond_counting_is_refused_by_line(passage):
    assert row_error(f"{HEAD},passage\nS,P,1,A,0,100,{passage}\n") == (2, "passage")


def test_a_passage_is_counted_as_far_as_both_databases_do():
    bring_in(f"{HEAD},passage\nS,P,1,A,0,100,P32767\n")
    assert Passage.objects.get().number == 32767


def test_a_large_tumor_number_is_a_name():
    bring_in(f"{HEAD},tumor\nS,P,1,A,0,100,99999\n")
    assert Tumor.objects.values_list("number", "site").get() == (1, "99999")


def test_a_control_that_is_not_there_is_refused_also_for_a_study_on_record():
    bring_in()
    with pytest.raises(ImportRefused, match="arms: Vehicle, binimetinib"):
        bring_in(control="placebo")


def test_what_the_record_refuses_is_a_refusal_with_its_reason(monkeypatch):
    def fail(*args, **kwargs):
        raise IntegrityError("CHECK constraint failed: weight_positive")

    monkeypatch.setattr("studies.actions.import_study.insert_revisions", fail)
    with pytest.raises(ImportRefused, match="weight_positive"):
        bring_in()
    assert set(counts().values()) == {0}


def test_a_unit_is_converted_and_said_as_the_file_s_own_analysis_says_it(tmp_path, capsys):
    source = tmp_path / "units.csv"
    source.write_text(f"{HEAD},unit,passage\nS,P,1,A,0,0.1,cm3,late\n")
    call_command("import_study", source)
    told = capsys.readouterr().out
    assert "Volumes in cm3 were multiplied by 1000 to mm3." in told
    assert 'The passage "late" is no number and was not stored.' in told
    assert Measurement.objects.get().reported_volume_mm3 == 100


def test_a_status_told_is_kept_and_one_without_a_size_stores_none():
    rows = [
        ("not_palpable", "0"),
        ("not_done", "0"),
        ("too_small", "8"),
        ("ulcerated", "300"),
        ("measured", "0"),
    ]
    lines = "".join(f"1,A,{day},{volume},{status}\n" for day, (status, volume) in enumerate(rows))
    bring_in(f"mouse,arm,day,volume_mm3,status\n{lines}")
    stored = Measurement.objects.order_by("session__study_day").values_list("status", "reported_volume_mm3")
    assert list(stored) == [
        ("not_palpable", None),
        ("not_done", None),
        ("too_small", 8),
        ("ulcerated", 300),
        ("not_palpable", None),
    ]


@pytest.mark.parametrize(("length", "lines"), [(108, []), (109, [5])])
def test_an_id_too_long_with_its_arm_is_refused_by_line(length, lines):
    """The label is arm/id where two arms hold one id; the record keeps 120 characters of it."""
    text = "".join(line for line in TWO_STUDIES.splitlines(True) if not line.startswith("S2"))
    for arm in ("control", "treated"):
        text = text.replace(f",1,{arm}", f",{'m' * length},{arm}")
    try:
        bring_in(text)
        found = []
    except ImportRefused as refused:
        found = refused.errors
    reason = "with its study, PDX model and arm the id is longer than 120 characters"
    assert [(error.line, error.column, error.reason) for error in found] == [
        (line, "mouse", reason) for line in lines
    ]


def test_a_call_of_a_gene_not_known_before_is_registered_at_its_pdx_model():
    bring_in()
    lines = ["study,model,mouse,arm,day,volume_mm3,BRAF"]
    for model, call in (("P1", ""), ("P2", "V600E")):
        lines += [f"S3,{model},1,control,{day},140,{call}" for day in (0, 7)]
    bring_in("\n".join(lines) + "\n")
    event = AuditEvent.objects.filter(action="registered PDX models").latest("pk")
    assert event.object_id == str(PdxModel.objects.get(code="P2").pk) and event.new["pdx_models"] == []
    assert event.new["genotype_calls"] == [["P2", "BRAF", "uncertain", "V600E"]]


@pytest.mark.parametrize(
    ("names", "numbers"),
    [
        (["2", "7"], {"2": 2, "7": 7}),
        (["0", "1"], {"0": 1, "1": 2}),
        (["1", "32767"], {"1": 1, "32767": 32767}),
        (["1", "32768"], {"1": 1, "32768": 2}),
        (["1", "01"], {"01": 1, "1": 2}),
        ([None, "b", "a"], {None: 1, "a": 2, "b": 3}),
    ],
)
def test_tumors_keep_their_numbers_where_each_has_one_the_record_can_hold(names, numbers):
    assert _numbered(names) == numbers
