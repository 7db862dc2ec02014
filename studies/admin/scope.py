"""Who reaches what in the admin: science by membership, nothing by being a superuser, never an arm unseen."""

from dataclasses import dataclass
from functools import partial

from django.contrib.admin.widgets import AutocompleteMixin
from django.db.models import QuerySet
from django.urls import reverse
from unfold.admin import StackedInline, TabularInline

from studies import access
from studies.admin.endpoints import DIRECTORS, READERS
from studies.admin.recording import ReasonedInlineFormSet, RecordedAdmin, study_of
from studies.endpoints import NOBODY
from studies.models import Study
from studies.terms import StudyState

OPEN_STATES = (StudyState.DRAFT, StudyState.ACTIVE)
ARM_WORDS = ("arm", "allocation", "randomization")


@dataclass(frozen=True)
class Reach:
    """Keys of the studies a person reads, directs, may change now (a locked one takes no change), knows the arms of."""

    readable: frozenset[int]
    directed: frozenset[int]
    writable: frozenset[int]
    with_known_arms: frozenset[int]


def reach(request) -> Reach:
    """Asked of access once a request: the menu alone asks some forty times."""
    if not hasattr(request, "admin_reach"):
        directed = access.studies_of(request.user, access.SET_UP_ROLES)
        request.admin_reach = Reach(
            readable=_keys(access.studies_of(request.user, READERS)),
            directed=_keys(directed),
            writable=_keys(directed.filter(state__in=OPEN_STATES)),
            with_known_arms=_keys(access.studies_with_known_arms(request.user)),
        )
    return request.admin_reach


def forget_reach(request) -> None:
    """After a membership was made in this very request."""
    if hasattr(request, "admin_reach"):
        del request.admin_reach


def _keys(studies: QuerySet[Study]) -> frozenset[int]:
    return frozenset(studies.values_list("pk", flat=True))


def names_an_arm(lookup: str) -> bool:
    """Whether a look-up leads to an arm or an allocation: `?allocation__arm=2` unblinds by what it lists."""
    return any(part.startswith(ARM_WORDS) for part in lookup.split("__"))


def _comes_from_elsewhere(model, lookup: str) -> bool:
    """Whether a look-up begins at a row of another table that points here."""
    name = lookup.split("__")[0]
    return any(relation.name == name for relation in model._meta.related_objects)


class GuardedAdmin(RecordedAdmin):
    """Choices offered are rows the person may see, and of the study in hand."""

    def lookup_allowed(self, lookup, value, request=None) -> bool:
        """Nothing that leads to an arm, and nothing back from another table: `?doses=17` would tell whose dose 17 is,
        and by the number of doses the arm.
        """
        if names_an_arm(lookup) or _comes_from_elsewhere(self.model, lookup):
            return False
        return super().lookup_allowed(lookup, value, request)

    def get_form(self, request, obj=None, change=False, **kwargs):
        request.study_in_hand = study_of(obj) if obj else None
        return super().get_form(request, obj, change, **kwargs)

    def get_search_results(self, request, queryset, search_term):
        queryset, may_repeat = super().get_search_results(request, queryset, search_term)
        study = request.GET.get("of_study", "")
        if study.isdigit() and _has_study(self.model):
            queryset = queryset.filter(study=int(study))
        return queryset, may_repeat

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        return guarded_choice(self, super().formfield_for_foreignkey, db_field, request, **kwargs)


def guarded_choice(model_admin, make_field, db_field, request, **kwargs):
    """A foreign key's field whose choices are the rows the person may see, of the study in hand."""
    related = db_field.remote_field.model
    if "queryset" not in kwargs:
        kwargs["queryset"] = _choices(model_admin.admin_site, related, request)
    field = make_field(db_field, request, **kwargs)
    study = getattr(request, "study_in_hand", None)
    if field is not None and study and _has_study(related) and isinstance(field.widget, AutocompleteMixin):
        url = f"{reverse('admin:autocomplete')}?of_study={study.pk}"
        field.widget.get_url = partial(str, url)
    return field


def _choices(site, related, request) -> QuerySet:
    if related is Study:
        return Study.objects.filter(pk__in=reach(request).writable)
    registered = site.is_registered(related)
    rows = site.get_model_admin(related).get_queryset(request) if registered else related.objects.all()
    study = getattr(request, "study_in_hand", None)
    return rows.filter(study=study) if study and _has_study(related) else rows


def _has_study(model) -> bool:
    return any(field.name == "study" for field in model._meta.concrete_fields)


class ScienceAdmin(GuardedAdmin):
    """Rows of a study, for its members: read by READERS, written by the director while it takes changes."""

    readers, writers, adders = READERS, DIRECTORS, DIRECTORS
    study_path = "study"
    fixed_fields: tuple[str, ...] = ("study",)

    def readable(self, request) -> frozenset[int]:
        """Keys of the studies whose rows show."""
        return reach(request).readable

    def get_queryset(self, request):
        return super().get_queryset(request).filter(**{f"{self.study_path}__in": self.readable(request)})

    def get_readonly_fields(self, request, obj=None):
        fixed = self.fixed_fields if obj else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def has_module_permission(self, request) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request, obj=None) -> bool:
        return _among(self.readable(request), obj)

    def has_add_permission(self, request) -> bool:
        return bool(reach(request).writable)

    def has_change_permission(self, request, obj=None) -> bool:
        return self.has_view_permission(request, obj) and _among(reach(request).writable, obj)


class ReadOnlyAdmin(ScienceAdmin):
    """Rows only the tracker itself writes."""

    writers = adders = NOBODY
    fixed_fields = ()

    def has_add_permission(self, request) -> bool:
        return False

    def has_change_permission(self, request, obj=None) -> bool:
        return False


class RegistryAdmin(GuardedAdmin):
    """What studies share (PDX models, agents): read by any study's READERS, written by any director."""

    readers, writers, adders = READERS, DIRECTORS, DIRECTORS
    shared = True

    def has_module_permission(self, request) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request, obj=None) -> bool:
        return bool(reach(request).readable)

    def has_add_permission(self, request) -> bool:
        return bool(reach(request).directed)

    def has_change_permission(self, request, obj=None) -> bool:
        return self.has_add_permission(request)


class OfParent:
    """An inline goes with its parent: who may change the one may change the other; nothing is deleted."""

    formset = ReasonedInlineFormSet
    extra = 0
    can_delete = False
    tab = True
    show_change_link = False

    def formfield_for_foreignkey(self, db_field, request, **kwargs):
        return guarded_choice(self, super().formfield_for_foreignkey, db_field, request, **kwargs)

    def has_view_permission(self, request, obj=None) -> bool:
        return self._parent().has_view_permission(request, obj)

    def has_change_permission(self, request, obj=None) -> bool:
        return self._parent().has_change_permission(request, obj)

    def has_add_permission(self, request, obj=None) -> bool:
        parent = self._parent()
        return parent.has_change_permission(request, obj) if obj else parent.has_add_permission(request)

    def has_delete_permission(self, request, obj=None) -> bool:
        return False

    def _parent(self):
        return self.admin_site.get_model_admin(self.parent_model)


class RowsInline(OfParent, TabularInline):
    pass


class BlocksInline(OfParent, StackedInline):
    pass


def _among(studies: frozenset[int], obj) -> bool:
    if obj is None:
        return bool(studies)
    study = study_of(obj)
    return study is not None and study.pk in studies
