from studies.wording import mice, noun, readings


def test_a_noun_follows_its_number():
    assert [mice(number) for number in (0, 1, 2)] == ["0 mice", "1 mouse", "2 mice"]
    assert [readings(number) for number in (0, 1, 2)] == ["0 readings", "1 reading", "2 readings"]
    assert (noun(1, "arm"), noun(2, "arm"), noun(12, "study", "studies")) == ("arm", "arms", "studies")
