"""Words that follow their number. Standard library only."""


def noun(number: int, one: str, many: str | None = None) -> str:
    """`one` beside 1, else `many`, which is `one` with an s unless it is given."""
    return one if number == 1 else many or one + "s"


def mice(number: int) -> str:
    """ "1 mouse", "12 mice"."""
    return f"{number} {noun(number, 'mouse', 'mice')}"


def readings(number: int) -> str:
    """ "1 reading", "12 readings"."""
    return f"{number} {noun(number, 'reading')}"
