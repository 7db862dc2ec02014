"""Which entries of the main menu lead somewhere for the person signed in."""

from django import template

from studies import access

register = template.Library()


@register.filter
def reads_science(user) -> bool:
    """Whether the person reads the science of any study, and so the registry."""
    return access.studies_of(user, access.SCIENCE_READERS).exists()
