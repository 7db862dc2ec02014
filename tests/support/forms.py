"""The forms of a page, filled in as somebody would who hits every key: for sweeps that must write something."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

DATE = "2026-06-10"
LIKE_A_DATE = re.compile(r"(_on|day0|_at)(_0)?$")
IN_A_ROW = re.compile(r"-\d+-|__prefix__")
WORDS = {"date": "2026-06-10", "datetime-local": "2026-06-10T09:00", "number": "5", "email": "a@example.org",
         "url": "https://example.org"}  # fmt: skip


@dataclass
class Form:
    """A form's action and its fields: name -> what is in it, or what may be chosen."""

    action: str = ""
    method: str = "get"
    values: dict[str, list[str]] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)  # name -> type, of what a person types
    required: set[str] = field(default_factory=set)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def filled(self, words: dict[str, str], *, whole: bool) -> dict[str, list[str] | str]:
        """Its data: what is there, empty fields filled (all of them, or those that must be), and the `words`.

        A word goes into every field of that name; of a row in a table of rows only where all are filled.
        """
        data: dict[str, list[str] | str] = dict(self.values)
        for name, kind in self.typed.items():
            is_empty = self.values.get(name, [""]) in ([""], [])
            if is_empty and "__prefix__" not in name and (whole or name in self.required):
                data[name] = DATE if LIKE_A_DATE.search(name) else WORDS.get(kind, "x1")
        for name, options in self.choices.items():
            if not [one for one in self.values.get(name, []) if one]:
                data[name] = [one for one in options if one][:1]
        for name in [*data, *self.typed]:
            for ending, word in words.items():
                if name == ending or (name.endswith("-" + ending) and (whole or not IN_A_ROW.search(name))):
                    data[name] = word
        return data


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.form: Form | None = None
        self.select = self.area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.form = Form(told.get("action", ""), told.get("method", "get").lower())
            self.forms.append(self.form)
        elif self.form is None:
            return
        elif tag == "option" and self.select:
            self.form.choices.setdefault(self.select, []).append(told.get("value", ""))
            if "selected" in told:
                self.form.values.setdefault(self.select, []).append(told.get("value", ""))
        elif name := told.get("name", ""):
            if "required" in told:
                self.form.required.add(name)
            self._field(tag, name, told)

    def _field(self, tag: str, name: str, told: dict[str, str]) -> None:
        kind, value = told.get("type", "text"), told.get("value", "")
        if tag == "button":
            self.form.buttons.append((name, value))
        elif tag == "select":
            self.select = name
            self.form.choices.setdefault(name, [])
        elif tag == "textarea":
            self.area = name
            self.form.values[name], self.form.typed[name] = [""], "text"
        elif kind in ("submit", "button", "file", "image"):
            if kind == "submit":
                self.form.buttons.append((name, value))
        elif kind in ("checkbox", "radio"):
            if "checked" in told:
                self.form.values.setdefault(name, []).append(value or "on")
            elif kind == "radio":
                self.form.choices.setdefault(name, []).append(value)
        else:
            self.form.values.setdefault(name, []).append(value)
            if kind != "hidden":
                self.form.typed[name] = kind

    def handle_data(self, data: str) -> None:
        if self.area and self.form:
            self.form.values[self.area] = [self.form.values[self.area][0] + data.strip()]

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.form = None
        elif tag == "select":
            self.select = ""
        elif tag == "textarea":
            self.area = ""


def forms_of(html: str) -> list[Form]:
    """Every form of the page that posts."""
    reader = _Reader()
    reader.feed(html)
    return [form for form in reader.forms if form.method == "post"]
