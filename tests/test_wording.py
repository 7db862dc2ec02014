from studies.wording import in_words, level, mice, noun, readings


def test_a_noun_follows_its_number():
    assert [mice(number) for number in (0, 1, 2)] == ["0 mice", "1 mouse", "2 mice"]
    assert [readings(number) for number in (0, 1, 2)] == ["0 readings", "1 reading", "2 readings"]
    assert (noun(1, "arm"), noun(2, "arm"), noun(12, "study", "studies")) == ("arm", "arms", "studies")


def test_values_are_told_without_brackets_and_quotes():
    told = {True: "yes", None: "none", 21.0: "21.0", "data_locked": "data_locked", 0: "0"}
    assert {value: in_words(value) for value in told} == told
    assert in_words(["M001", "M002"]) == "M001, M002" and in_words([]) == in_words({}) == "none"
    assert in_words([["tom", "technician"], ["vera", None]]) == "tom, technician; vera, none"
    assert in_words({"window": [0, 21], "blinded": False}) == "window: 0, 21; blinded: no"


def test_a_group_read_as_a_number_is_called_as_it_was_written():
    assert [level(value) for value in (12.0, 12, "12.0", 1.5, -3.0)] == ["12", "12", "12.0", "1.5", "-3"]
    assert level(float("nan")) == "nan"
