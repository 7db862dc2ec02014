"""`manage.py power`: figures, what it learns from past studies, and plain refusals."""

import json

import pytest
from django.core.management import CommandError, call_command

from tests.reports.conftest import study_csv


def test_mice_an_arm_are_printed_and_written(tmp_path, capsys):
    call_command("power", "contrast", "--tgi=60", "--arms=3", f"--json={tmp_path / 'out.json'}")
    assert "6 mice per arm, 24 mice in all" in capsys.readouterr().out
    size = json.loads((tmp_path / "out.json").read_text())["size"]
    assert (size["n"], size["mice"]) == (6, 24) and size["power"] >= 0.8


def test_models_or_mice_are_a_table_and_a_figure(tmp_path, capsys):
    call_command("power", "interaction", "--effect=0.04", "--dropout=0.1", f"--plot={tmp_path / 'out.svg'}")
    said = capsys.readouterr().out
    assert "11 PDX models per status, 176 mice in all" in said
    assert "          1                    17            68   0.818" in said
    drawn = (tmp_path / "out.svg").read_bytes()
    assert drawn.startswith(b"<?xml") and len(drawn) > 5000


def test_past_studies_tell_how_mice_vary_and_the_command_line_goes_before(tmp_path, capsys):
    source = tmp_path / "study.csv"
    source.write_bytes(study_csv("S1", {"P1": "wt"}, {"vehicle": 0.09, "A": 0.03}))
    call_command("analyze", source, json=tmp_path / "past.json")
    capsys.readouterr()
    out = tmp_path / "out.json"
    call_command(
        "power",
        "bliss",
        "--effect=0.03",
        "--reading-sd=0.2",
        f"--past={tmp_path / 'past.json'}",
        f"--json={out}",
    )
    components = json.loads((tmp_path / "past.json").read_text())["studies"][0]["mixed_model"][
        "variance_components"
    ]
    own = next(
        row["value"]
        for row in components
        if (row["group"], row["term1"], row["term2"]) == ("mouse", "day", None)
    )
    told = json.loads(out.read_text())["variability"]
    assert told["mouse_slope_sd"] == pytest.approx(own**0.5) and told["residual_sd"] == 0.2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("contrast", "--effect=0"), "effect of 0"),
        (("contrast", "--tgi=100"), "below 100 %"),
        (("bliss", "--effect=0.03", "--days=7"), "at least two days"),
        (("interaction", "--effect=0.03", "--past=nowhere.json"), "nowhere.json"),
    ],
)
def test_what_cannot_be_answered_is_refused(arguments, reason):
    with pytest.raises(CommandError, match=reason) as caught:
        call_command("power", *arguments)
    assert caught.value.returncode == 2
