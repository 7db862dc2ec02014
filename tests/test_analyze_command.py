"""`manage.py analyze`: exit codes, every defect on stderr, nothing half-written, no database."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from studies.management.files import listing
from tests.reports.conftest import study_csv

SMALL = {"models": {"P1": "wt"}, "rates": {"vehicle": 0.09, "A": 0.03}, "days": (0, 7, 14)}
ROOT = Path(__file__).parent.parent


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "study.csv"
    path.write_bytes(study_csv("S1", **SMALL))
    return path


def refusal(*args, **options):
    with pytest.raises(CommandError) as caught:
        call_command("analyze", *args, **options)
    assert caught.value.returncode == 2
    return str(caught.value)


def test_the_json_is_written_and_said(source, tmp_path, capsys):
    call_command("analyze", source, json=tmp_path / "out.json")
    [study] = json.loads((tmp_path / "out.json").read_text())["studies"]
    assert study["study"] == "S1" and study["plan"]["control"]["value"] == "vehicle"
    said = capsys.readouterr().out
    assert "S1: 12 rows, 4 mice, 1 PDX models" in said and "out.json" in said


def test_several_studies_are_reported_in_a_folder_each(source, tmp_path):
    source.write_bytes(study_csv("S1", **SMALL) + study_csv("S2", **SMALL).split(b"\n", 1)[1])
    call_command("analyze", source, report=tmp_path / "out")
    assert (tmp_path / "out" / "S1" / "report.html").exists()
    assert (tmp_path / "out" / "S2" / "manifest.json").exists()


def test_a_pool_is_one_study(source, tmp_path):
    source.write_bytes(study_csv("S1", **SMALL) + study_csv("S2", **SMALL).split(b"\n", 1)[1])
    call_command("analyze", source, pool="BOTH", json=tmp_path / "out.json")
    [study] = json.loads((tmp_path / "out.json").read_text())["studies"]
    assert study["study"] == "BOTH" and study["input"]["mice"] == 8


def test_a_control_that_is_not_there_is_refused_with_the_arms_there_are(source, tmp_path):
    said = refusal(source, control="Placebo", json=tmp_path / "out.json", report=tmp_path / "r")
    assert "Placebo" in said and "A, vehicle" in said
    assert [path.name for path in tmp_path.iterdir()] == ["study.csv"]


def test_the_command_line_names_the_control_before_the_plan_does(source, tmp_path):
    (tmp_path / "plan.json").write_text('{"control": "vehicle", "alpha": 0.1}')
    call_command("analyze", source, plan=tmp_path / "plan.json", control="A", json=tmp_path / "out.json")
    [study] = json.loads((tmp_path / "out.json").read_text())["studies"]
    assert study["plan"]["control"]["value"] == "A" and study["plan"]["alpha"]["value"] == 0.1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "one object"),
        ('{"alpha": NaN}', "NaN"),
        ('{"alpha": 0.1, "alpha": 0.2}', "twice"),
        ('{"aplha": 0.1}', "aplha"),
        ('{"alpha": 2}', "alpha"),
        ("[" * 100_000, "plan"),
    ],
)
def test_a_plan_that_cannot_be_read(source, tmp_path, text, said):
    (tmp_path / "plan.json").write_text(text)
    assert said in refusal(source, plan=tmp_path / "plan.json", json=tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()


def test_every_defect_is_listed_up_to_200_and_then_counted(source, tmp_path):
    source.write_bytes(study_csv("S1", **SMALL).replace(b"S1,P1,wt", b"S1,P1,maybe") * 1)
    assert refusal(source).count("is no MAP2K4 status") == 12
    rows = "".join(f"S1,P1,wt,A,m{number},0,-1,20\n" for number in range(250))
    source.write_text("study,pdx_model,map2k4_status,arm,mouse,day,volume_mm3,weight_g\n" + rows)
    said = refusal(source, json=tmp_path / "out.json")
    assert said.count("negative volume") == 200 and "50 more: 250 defects" in said
    assert 'line 2, column "volume_mm3", value "-1"' in said
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("n", "last"), [(200, "  line 2: so"), (201, "  ... and 1 more: 201 defects in all")]
)
def test_two_hundred_defects_are_all_told_and_one_more_is_counted(n, last):
    lines = listing(Path("a.csv"), ["line 2: so"] * n).splitlines()
    assert (len(lines), lines[-1]) == (1 + n, last)


def test_a_file_over_the_limit_is_not_read(source):
    assert "over the limit of 100 bytes" in refusal(source, max_mb=0.0001)


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path):
    assert "nothing.csv" in refusal(tmp_path / "nothing.csv")
    assert str(tmp_path) in refusal(tmp_path)


def test_a_place_that_cannot_be_written(source, tmp_path):
    assert "is a file" in refusal(source, report=source)
    assert "is a folder" in refusal(source, json=tmp_path)


def test_the_shell_sees_exit_code_2_and_the_defects_on_stderr(source):
    source.write_text("mouse,arm\n1,A\n")
    done = subprocess.run(
        [sys.executable, "manage.py", "analyze", source],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2 and done.stdout == ""
    assert "no column day" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("limit", ["nan", "0", "-1", "inf", "much"])
def test_a_limit_that_is_no_size_is_refused(tmp_path, limit):
    with pytest.raises(CommandError, match="no size in MB"):
        call_command("analyze", str(tmp_path / "study.csv"), "--max-mb", limit)
