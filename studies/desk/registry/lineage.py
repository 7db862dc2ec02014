"""Patient to sample to PDX model to passage to mouse, laid out as a picture and as a list to read."""

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise

from django.db.models import Count
from django.urls import reverse

from studies import access
from studies.models import Passage, PdxModel, Tumor, User

COLUMN_WIDTH, BOX_WIDTH, BOX_HEIGHT, ROW_HEIGHT, MARGIN = 176, 150, 40, 56, 8
COLUMNS = ("patient", "sample", "PDX model", "passage", "mice")


@dataclass(frozen=True)
class Box:
    """One thing of the lineage in its column; `x` and `y` are its upper left corner in SVG units."""

    kind: str
    title: str
    note: str
    x: float
    y: float
    link: str = ""

    @property
    def center(self) -> float:
        return self.y + BOX_HEIGHT / 2

    @property
    def right(self) -> float:
        return self.x + BOX_WIDTH

    @property
    def title_y(self) -> float:
        return self.y + (17 if self.note else 25)

    @property
    def note_y(self) -> float:
        return self.y + 32

    @property
    def text_x(self) -> float:
        return self.x + 8


@dataclass(frozen=True)
class Edge:
    """A line from one box to another; a donor's line leads back from mice to the next passage."""

    path: str
    is_donor: bool = False


@dataclass(frozen=True)
class Lineage:
    boxes: list[Box]
    edges: list[Edge]
    headings: list[tuple[float, str]]
    width: float
    height: float
    tree: list["Line"]


@dataclass(frozen=True)
class Line:
    """One line of the list beside the picture, indented by `depth`."""

    depth: int
    text: str
    link: str = ""


@dataclass(frozen=True)
class Carriers:
    """The mice of one study that carry one passage."""

    study: str
    mice: int


def lineage(model: PdxModel, viewer: User) -> Lineage:
    """The whole lineage of one PDX model; of mice, those of studies whose science the viewer reads."""
    passages = list(model.passages.select_related("donor_mouse__study").order_by("number", "label"))
    carriers = _carriers(model, viewer)
    readable = set(access.studies_of(viewer, access.SCIENCE_READERS).values_list("pk", flat=True))
    boxes, edges, tree = [], [], []
    rows = sum(max(1, len(carriers.get(passage.pk, ()))) for passage in passages) or 1
    middle = MARGIN + 24 + (rows - 1) * ROW_HEIGHT / 2
    roots = _roots(model)
    for place, (kind, title, note, link) in enumerate(roots):
        boxes.append(Box(kind, title, note, _x(3 - len(roots) + place), middle, link))
        tree.append(Line(place, f"{kind} {title}{note and ', ' + note}", link))
    edges += [_edge(a, b) for a, b in pairwise(boxes)]
    root, row, mice_boxes = boxes[-1], 0, {}
    for passage in passages:
        group = carriers.get(passage.pk, [])
        height = max(1, len(group))
        y = MARGIN + 24 + (row + (height - 1) / 2) * ROW_HEIGHT
        box = Box("passage", _name(passage), _passaged(passage, readable), _x(3), y, "")
        boxes.append(box)
        edges.append(_edge(root, box))
        tree.append(Line(len(roots), f"passage {box.title}{box.note and ', ' + box.note}"))
        for n, carried in enumerate(group):
            link = reverse("study_page", args=[carried.study])
            words = f"{carried.mice} {'mouse' if carried.mice == 1 else 'mice'}"
            at = MARGIN + 24 + (row + n) * ROW_HEIGHT
            mice = Box("mice", words, carried.study, _x(4), at, link)
            boxes.append(mice)
            edges.append(_edge(box, mice))
            mice_boxes[passage.pk, carried.study] = mice
            tree.append(Line(len(roots) + 1, f"{words} in {carried.study}", link))
        edges += _donor_edges(passage, box, mice_boxes, readable)
        row += height
    height = MARGIN * 2 + 24 + rows * ROW_HEIGHT
    headings = [(_x(place), name) for place, name in enumerate(COLUMNS)]
    return Lineage(boxes, edges, headings, _x(4) + BOX_WIDTH + MARGIN, height, tree)


def _roots(model: PdxModel) -> list[tuple[str, str, str, str]]:
    """(kind, title, note, link) from the patient, or the line it was made from, to the PDX model."""
    found = []
    if model.sample:
        patient = model.sample.patient
        found.append(("patient", patient.code, _short(patient.diagnosis), ""))
        found.append(("sample", model.sample.code, model.sample.get_tumor_type_display(), ""))
    elif model.parent:
        link = reverse("pdx_model", args=[model.parent.code])
        found.append(("sample", model.parent.code, "the line it was made from", link))
    return [*found, ("PDX model", model.code, _short(model.cancer_type), "")]


def _carriers(model: PdxModel, viewer: User) -> dict[int, list[Carriers]]:
    """Passage id -> the mice that carry it, counted a study."""
    studies = access.studies_of(viewer, access.SCIENCE_READERS).values("pk")
    rows = (
        Tumor.objects.filter(passage__pdx_model=model, mouse__study__in=studies)
        .order_by("mouse__study__code")
        .values("passage", "mouse__study__code")
        .annotate(mice=Count("mouse", distinct=True))
    )
    found: dict[int, list[Carriers]] = defaultdict(list)
    for row in rows:
        found[row["passage"]].append(Carriers(row["mouse__study__code"], row["mice"]))
    return found


def _donor_edges(passage: Passage, box: Box, mice: dict, readable: set[int]) -> list[Edge]:
    donor = passage.donor_mouse
    if donor is None or donor.study_id not in readable:
        return []
    carried = donor.tumors.filter(passage__isnull=False).values_list("passage", flat=True).first()
    source = mice.get((carried, donor.study.code))
    if source is None:
        return []
    bend = (source.center + box.center) / 2
    return [Edge(
        f"M{source.x} {source.center + 8} C{source.x - 20} {bend} {box.right + 20} {bend} {box.right} {box.center - 8}",
        True,
    )]  # fmt: skip


def _passaged(passage: Passage, readable: set[int]) -> str:
    donor = passage.donor_mouse
    if donor and donor.study_id in readable:
        return f"from mouse {donor.label}"
    return f"{passage.passaged_on:%-d %b %Y}" if passage.passaged_on else ""


def _edge(a: Box, b: Box) -> Edge:
    bend = (a.right + b.x) / 2
    return Edge(f"M{a.right} {a.center} C{bend} {a.center} {bend} {b.center} {b.x} {b.center}")


def _name(passage: Passage) -> str:
    return f"P{passage.number}{passage.label and ' ' + passage.label}"


def _short(text: str) -> str:
    return text if len(text) <= 24 else text[:23] + "…"


def _x(column: int) -> float:
    return MARGIN + column * COLUMN_WIDTH
