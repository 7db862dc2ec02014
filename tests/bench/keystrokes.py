"""Key presses and seconds to measure 60 mice, by the keystroke-level model: paper, a form, this sheet, devices.

    python -m tests.bench.keystrokes

Times are those of Card, Moran and Newell (1980): a key press 0.28 s, pointing 1.1 s, a hand moved between
keyboard and mouse 0.4 s, a thought 1.35 s. Handling the mouse and closing the caliper is the same on every
way and left out; what is counted is getting three numbers from the eye or the tool onto the record.
"""

from dataclasses import dataclass

KEY_S, POINT_S, HAND_S, THINK_S = 0.28, 1.1, 0.4, 1.35
MICE = 60
READING = ("12.3", "10.4", "22.4")  # length and width in mm, weight in g, as a display shows them


@dataclass(frozen=True)
class Way:
    """What one mouse takes on one way of recording; `strokes` are written with a pen, at a key's time each."""

    name: str
    keys: int = 0
    buttons: int = 0
    points: int = 0
    hands: int = 0
    thoughts: int = 0
    strokes: int = 0

    @property
    def presses(self) -> int:
        return self.keys + self.buttons

    @property
    def seconds(self) -> float:
        pressed = (self.keys + self.buttons + self.strokes) * KEY_S
        return pressed + self.points * POINT_S + self.hands * HAND_S + self.thoughts * THINK_S


def typed(digits_only: bool) -> int:
    """Keys for the three numbers, each closed by Enter; with implied decimals 123 is 12.3."""
    return sum(len(text.replace(".", "") if digits_only else text) + 1 for text in READING)


def ways() -> list[Way]:
    written = sum(len(text) for text in READING)
    return [
        # Find the row, write three numbers; later read each from the sheet and type it, closed by Enter.
        Way("paper, typed in later", keys=typed(digits_only=False), strokes=written, thoughts=2 + 3),
        # Choose the mouse from a list (hand to the mouse, point, back), three fields by Tab, then save and add another.
        Way("a stock admin form", keys=typed(digits_only=False), points=4, hands=4, thoughts=5),
        Way("this sheet, decimals typed", keys=typed(digits_only=False), thoughts=1),
        Way("this sheet, implied decimals", keys=typed(digits_only=True), thoughts=1),
        # Each tool sends its value and Return; the screen is glanced at once.
        Way("this sheet, caliper and scale buttons", buttons=3, thoughts=1),
        # The mouse's own tag chooses its row: one scan more, and no wrong mouse.
        Way("this sheet, buttons and RFID", buttons=4, thoughts=1),
    ]  # fmt: skip


def table() -> list[str]:
    """One line a way: presses and seconds a mouse, and minutes for 60."""
    lines = [f"{'way':40}{'presses a mouse':>16}{'s a mouse':>11}{'presses, 60':>13}{'minutes, 60':>13}"]
    for way in ways():
        minutes = way.seconds * MICE / 60
        lines.append(
            f"{way.name:40}{way.presses:>16}{way.seconds:>11.1f}{way.presses * MICE:>13}{minutes:>13.1f}"
        )
    return lines


if __name__ == "__main__":
    print("\n".join(table()))
