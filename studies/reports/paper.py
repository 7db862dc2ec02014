"""Paper for the animal room, set as PDF: cage cards, mouse labels, the dose sheet, the sealed list.

Cards and labels tell no arm and no MAP2K4 status, stand in rack order, and carry a QR code that selects the cage or
mouse when it is scanned.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from studies.actions.dose_sheet import DoseSheet
from studies.actions.sealed_papers import SealedLine, in_rack_order
from studies.models import Cage, Mouse, MouseSample, Study, User
from studies.reports.render_html import embedded_fonts
from studies.reports.render_pdf import render_pdf

A4, LABEL = "a4", "label"
SIZES = (A4, LABEL)
MICE_ON_A_CARD = 7


@dataclass(frozen=True)
class Card:
    """A cage and its mice as a card shows them; `part` where one card does not hold them all."""

    cage: Cage
    mice: tuple[Mouse, ...]
    qr: str
    part: str = ""

    @property
    def pdx_models(self) -> list[str]:
        return sorted({mouse.pdx_model.code for mouse in self.mice})

    @property
    def strains(self) -> list[str]:
        return sorted({mouse.strain for mouse in self.mice if mouse.strain})


def cage_cards(study: Study, size: str, made_at: datetime) -> bytes:
    """One card a cage with mice: eight to an A4 page, or one to a label of 100 x 62 mm."""
    cards = [card for cage, mice in _cages(study) for card in _cards_of(study, cage, mice)]
    return _set("cage_cards", f"Cage cards of {study.code}", made_at, study=study, cards=cards, size=size)


def _cards_of(study: Study, cage: Cage, mice: Sequence[Mouse]) -> list[Card]:
    """One card, or as many as it takes to name every mouse."""
    qr = _qr(f"{study.code}/cage/{cage.code}")
    parts = [tuple(mice[first : first + MICE_ON_A_CARD]) for first in range(0, len(mice), MICE_ON_A_CARD)]
    return [
        Card(cage, part, qr, f"card {number} of {len(parts)}" if len(parts) > 1 else "")
        for number, part in enumerate(parts, start=1)
    ]


def mouse_labels(study: Study, size: str, made_at: datetime) -> bytes:
    """One label a mouse: 24 to an A4 page, or one to a label of 50 x 25 mm."""
    labels = [(mouse, _qr(mouse.key)) for _, mice in _cages(study, with_homeless=True) for mouse in mice]
    return _set(
        "mouse_labels", f"Mouse labels of {study.code}", made_at, study=study, labels=labels, size=size
    )


def sample_labels(mouse: Mouse, samples: Sequence[MouseSample], size: str, made_at: datetime) -> bytes:
    """One label a tube, in the sizes of the mouse labels; its code says study and mouse, never the arm."""
    labels = [(sample, _qr(sample.code)) for sample in samples]
    title = f"Sample labels of {mouse.key}"
    return _set("sample_labels", title, made_at, mouse=mouse, labels=labels, size=size)


def dose_sheet(study: Study, sheet: DoseSheet, user: User, made_at: datetime) -> bytes:
    return _set("dose_sheet", f"Dose sheet of {study.code}", made_at, study=study, sheet=sheet, user=user)


def sealed_list(
    study: Study, lines: Sequence[SealedLine], user: User, reason: str, made_at: datetime
) -> bytes:
    return _set(
        "sealed_list",
        f"Sealed allocation list of {study.code}",
        made_at,
        study=study,
        lines=lines,
        codes=sorted({(line.syringe_code, line.arm) for line in lines}),
        randomizations=study.randomizations.select_related("cohort").order_by("made_at"),
        user=user,
        reason=reason,
    )


def _cages(study: Study, with_homeless: bool = False) -> list[tuple[Any, list[Mouse]]]:
    """Cages with the mice still in them, by room, rack and code; mice without a cage last."""
    mice = study.mice.filter(exit=None).select_related("cage", "pdx_model", "study")
    by_cage: dict[Any, list[Mouse]] = {}
    for mouse in sorted(mice, key=lambda mouse: in_rack_order(mouse.ear_tag, mouse.label)):
        if mouse.cage or with_homeless:
            by_cage.setdefault(mouse.cage, []).append(mouse)

    def place(cage: Cage | None) -> tuple:
        return (1, []) if cage is None else (0, in_rack_order(cage.room, cage.rack, cage.code))

    return sorted(by_cage.items(), key=lambda row: place(row[0]))


def _qr(text: str) -> str:
    """A QR code as a data URI; error correction M survives a wet card."""
    import segno

    out = io.BytesIO()
    segno.make(text, error="m", micro=False).save(out, kind="svg", border=0, xmldecl=False, svgns=True)
    return f"data:image/svg+xml;base64,{base64.b64encode(out.getvalue()).decode()}"


def _set(template: str, title: str, made_at: datetime, **context: Any) -> bytes:
    told = {"title": title, "made_at": made_at, "fonts": embedded_fonts(), **context}
    return render_pdf(render_to_string(f"studies/paper/{template}.html", told), made_at)
