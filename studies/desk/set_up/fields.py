"""Fields of the guide that read what people write: doses with their unit, lists of study days."""

import re

from django import forms

from studies.doses import dose_mg_per_kg, volume_ml_per_kg

MINUS = "\N{MINUS SIGN}"


class QuantityField(forms.CharField):
    """Text with a unit to a number; a stored number is shown with its unit."""

    unit = ""
    read = staticmethod(float)

    def __init__(self, **kwargs):
        kwargs.setdefault("max_length", 30)
        super().__init__(**kwargs)
        self.widget.attrs.setdefault("placeholder", f"10 {self.unit}")

    def prepare_value(self, value):
        return f"{value:g} {self.unit}" if isinstance(value, (int, float)) else value

    def clean(self, value):
        text = super().clean(value)
        if not text:
            return None
        try:
            return self.read(text)
        except ValueError as error:
            raise forms.ValidationError(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error


class DoseField(QuantityField):
    unit = "mg/kg"
    read = staticmethod(dose_mg_per_kg)


class DoseVolumeField(QuantityField):
    unit = "mL/kg"
    read = staticmethod(volume_ml_per_kg)


class DaysField(forms.CharField):
    """Study days as "0, 3, 7", each once, in order."""

    def prepare_value(self, value):
        return ", ".join(f"{day:g}" for day in value) if isinstance(value, (list, tuple)) else value

    def clean(self, value):
        text = super().clean(value)
        words = [word for word in re.split(r"[,;\s]+", text.replace(MINUS, "-").strip("[] ")) if word]
        if wrong := [word for word in words if not re.fullmatch(r"-?[0-9]{1,4}", word)]:
            raise forms.ValidationError(f'"{wrong[0]}" is no study day; write days as 0, 3, 7, 10.')
        days = [int(word) for word in words]
        if twice := sorted({day for day in days if days.count(day) > 1}):
            raise forms.ValidationError(f"Day {twice[0]} stands twice.")
        return tuple(sorted(days))


def plain_numbers(form: forms.Form) -> None:
    """Show 100.0 as 100: a decimal is shown where there is one."""
    for field in form.fields.values():
        if isinstance(field, forms.FloatField):
            field.widget.format_value = lambda value: f"{value:g}" if isinstance(value, float) else value
