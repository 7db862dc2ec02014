"""The tests' own tools do what they say."""

import os
import subprocess
import sys

import pytest

from tests.bench.ratio import Ratio, best_seconds
from tests.support import doctor, postgres

requires_postgresql = pytest.mark.skipif(
    doctor.postgresql_bin() is None and not doctor.in_ci(), reason=doctor.PARTS["postgresql"].apt_line
)


def test_the_doctor_names_a_missing_part_with_its_apt_line(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "chromium_path", lambda: None)
    monkeypatch.setattr(sys, "argv", ["doctor", "--only", "chromium"])
    monkeypatch.delenv("CI", raising=False)
    assert doctor.main() == 0
    assert "sudo apt-get install chromium" in capsys.readouterr().err


def test_a_missing_part_ends_a_run_in_ci(monkeypatch):
    monkeypatch.setattr(doctor, "chromium_path", lambda: None)
    monkeypatch.setattr(sys, "argv", ["doctor", "--only", "chromium"])
    monkeypatch.setenv("CI", "true")
    assert doctor.main() == 1


def test_the_doctor_needs_no_installed_package():
    code = "import sys; import tests.support.doctor; print('django' in sys.modules, 'numpy' in sys.modules)"
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]


@requires_postgresql
def test_the_cluster_answers_and_is_gone_afterwards():
    psycopg = pytest.importorskip("psycopg")
    with postgres.cluster() as url:
        with psycopg.connect(url) as connection:
            assert connection.execute("select 1 + 1").fetchone() == (2,)
        folder = url.partition("host=")[2]
        assert os.path.isdir(folder)
    assert not os.path.exists(folder)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=2)


@requires_postgresql
def test_a_failing_command_fails_the_postgresql_run():
    assert postgres.main([sys.executable, "-c", "raise SystemExit(3)"]) == 3


def test_a_ratio_is_kept_on_its_own_side_only():
    faster = Ratio("tgi", "groupby", ours_seconds=1, yardstick_seconds=150, at_least=100)
    assert faster.kept and "150.0x as fast as groupby" in str(faster)
    slower = Ratio("import", "bulk_create", ours_seconds=3, yardstick_seconds=1, at_most=2)
    assert not slower.kept and str(slower).endswith("NOT KEPT")


def test_best_seconds_takes_the_least_disturbed_run():
    assert 0 <= best_seconds(lambda: sum(range(10)), repeats=2) < 1
