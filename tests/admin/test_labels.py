"""How the administration's fields, columns and filters are labeled: short forms and units as people write them."""

import re
from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.contrib.admin.utils import get_fields_from_path, label_for_field

SHORT_FORMS = ("PDX", "PDX-MI", "MAP2K4", "RFID", "API", "ID", "IDs", "IP", "PIN", "URL", "JSON", "CSV", "PDF", "UTC",
               "SHA-256", "TGI", "DNA", "RNA", "SD", "LOD")  # fmt: skip
AS_WRITTEN = {short.lower(): short for short in SHORT_FORMS} | {"sha256": "SHA-256"}
UNITS = {"mm", "mm2", "mm3", "mm³", "cm", "g", "kg", "mg", "ml", "ul", "µl", "years", "%"}


def labels(model, door) -> Iterator[str]:
    """Of every field a form may show, every column and every filter."""
    for field in model._meta.get_fields():
        if hasattr(field, "verbose_name"):
            yield str(field.verbose_name)
    for name in (*getattr(door, "list_display", ()), *door.readonly_fields):
        yield str(label_for_field(name, model, door))
    for one in getattr(door, "list_filter", ()):
        path = one[0] if isinstance(one, tuple | list) else one
        yield str(get_fields_from_path(model, path)[-1].verbose_name if isinstance(path, str) else path.title)


def misspelled(label: str) -> list[str]:
    """Short forms in another spelling, and units outside parentheses."""
    words = re.sub(r"\([^)]*\)", "", label).split()
    return [
        word for word in words
        if AS_WRITTEN.get(word.lower(), word) != word or word.lower() in UNITS
    ]  # fmt: skip


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.label)
def test_no_label_spells_a_short_form_or_a_unit_wrongly(model):
    door = admin.site._registry[model]
    inlines = [inline(model, admin.site) for inline in door.inlines]
    told = [
        label for one in (door, *inlines) for label in labels(one.model if one in inlines else model, one)
    ]
    assert told and not [label for label in told if misspelled(label)]


@pytest.mark.parametrize(
    ("label", "wrong"),
    [
        ("Pdx model", ["Pdx"]), ("PDX model", []), ("source id", ["id"]), ("map2k4 status", ["map2k4"]),
        ("file sha256", ["sha256"]), ("length mm", ["mm"]), ("length (mm)", []), ("Rfid", ["Rfid"]),
        ("dose (mg/kg)", []),
    ],
)  # fmt: skip
def test_what_is_spelled_wrongly_is_known(label, wrong):
    assert misspelled(label) == wrong
