from studies.reports.compare import differences


def told(before, after):
    return [(one.path, one.before, one.after) for one in differences(before, after)]


def test_a_number_that_changed_is_named_by_its_path():
    before = {"tgi": {"day": 21, "rows": [{"arm": "A", "percent": 40.0}, {"arm": "B", "percent": 60.0}]}}
    after = {"tgi": {"day": 21, "rows": [{"arm": "A", "percent": 40.0}, {"arm": "B", "percent": 61.5}]}}
    assert told(before, after) == [("tgi.rows[B].percent", 60.0, 61.5)]
    assert told(before, before) == []


def test_a_row_that_came_or_went_moves_no_other():
    before = {"mice": [{"mouse": "M1", "fold": 2}, {"mouse": "M3", "fold": 4}]}
    after = {"mice": [{"mouse": "M1", "fold": 2}, {"mouse": "M2", "fold": 3}, {"mouse": "M3", "fold": 4}]}
    assert told(before, after) == [("mice[M2].mouse", None, "M2"), ("mice[M2].fold", None, 3)]
    assert told(after, before) == [("mice[M2].mouse", "M2", None), ("mice[M2].fold", 3, None)]


def test_rows_of_one_name_and_plain_values_are_told_apart_by_place():
    assert told(
        {"a": [{"arm": "A", "x": 1}, {"arm": "A", "x": 2}]},
        {"a": [{"arm": "A", "x": 1}, {"arm": "A", "x": 3}]},
    ) == [("a[A #2].x", 2, 3)]
    assert told({"interval": [1, 2]}, {"interval": [1, 2.5]}) == [("interval[1]", 2, 2.5)]
