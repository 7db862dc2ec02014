"""Who may see which study, and whether arms may be shown: the only place that decides either.

Deny by default. An unknown or deactivated user, and a superuser without a membership, sees nothing.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.shortcuts import get_object_or_404

from studies.models import (
    Allocation,
    AuditEvent,
    Job,
    Mouse,
    PdxModel,
    Reveal,
    Signature,
    StoredReport,
    Study,
    StudyMembership,
    User,
)
from studies.terms import ReportView, Role, SignedAct, StudyState

# Roles that may see arms by name once a study's arms are open. The doser's sheet and the custodian's
# list are documents of their own; the administrator looks after users, not science.
ARM_READERS = frozenset(
    {Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE, Role.TECHNICIAN, Role.VETERINARIAN}
)
SET_UP_ROLES = frozenset({Role.STUDY_DIRECTOR})
ENTRY_ROLES = frozenset({Role.TECHNICIAN, Role.STUDY_DIRECTOR})
BALANCE_READERS = frozenset({Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE})
DOSE_SHEET_READERS = frozenset({Role.DOSER})
SEALED_LIST_READERS = frozenset({Role.ALLOCATION_CUSTODIAN})
CARD_PRINTERS = frozenset({Role.TECHNICIAN, Role.STUDY_DIRECTOR, Role.VETERINARIAN})
SCIENCE_READERS = frozenset(
    {Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE, Role.TECHNICIAN, Role.VETERINARIAN}
)
# In an emergency one mouse's arm is told to those who answer for its life, and a second person hears of it.
EMERGENCY_ROLES = frozenset({Role.STUDY_DIRECTOR, Role.VETERINARIAN, Role.ALLOCATION_CUSTODIAN})
SECOND_PERSONS = EMERGENCY_ROLES | {Role.QUALITY_ASSURANCE}
# Welfare alerts: seen by SCIENCE_READERS, noted on by those at the cage, closed by these two.
ACKNOWLEDGERS = frozenset({Role.STUDY_DIRECTOR, Role.VETERINARIAN})
ALERT_ANSWERERS = ACKNOWLEDGERS | {Role.TECHNICIAN}
EXIT_RECORDERS = ENTRY_ROLES | {Role.VETERINARIAN}
MASK_READERS = frozenset({Role.STATISTICIAN})
REPORT_BUILDERS = frozenset({Role.STUDY_DIRECTOR, Role.STATISTICIAN, Role.QUALITY_ASSURANCE})
REPORT_RELEASERS = frozenset({Role.STUDY_DIRECTOR, Role.QUALITY_ASSURANCE})
REPORT_READERS = SCIENCE_READERS | {Role.REPORT_READER}

# In a blinded study, events about anything else may name an arm (arms, plans, imports, allocations).
NEVER_NAME_AN_ARM = (
    "cage",
    "cagemove",
    "cohort",
    "exclusion",
    "exit",
    "job",
    "measurement",
    "measurementsession",
    "mouse",
    "storedreport",
    "study",
    "studymembership",
    "tumor",
    "unlock",
    "welfarelimits",
)


class Operator:
    """Whoever runs commands at the server's own shell: reads what is open, and no more than that."""


OPERATOR = Operator()


def roles_in(user: User | Operator, study: Study) -> frozenset[Role]:
    """The person's roles in the study; none for anyone unknown."""
    if isinstance(user, Operator):
        return frozenset({Role.STUDY_DIRECTOR})
    if not user.is_authenticated or not user.is_active:
        return frozenset()
    found = StudyMembership.objects.filter(user=user, study=study, is_active=True)
    return frozenset(Role(role) for role in found.values_list("role", flat=True))


def studies_by_role(user: User) -> dict[Role, set[int]]:
    """Each role the person has in any study, with the ids of those studies."""
    held: dict[Role, set[int]] = {}
    if user.is_authenticated and user.is_active:
        for role, study in StudyMembership.objects.filter(user=user, is_active=True).values_list(
            "role", "study"
        ):
            held.setdefault(Role(role), set()).add(study)
    return held


def studies_of(user: User, roles: frozenset[Role] | None = None) -> QuerySet[Study]:
    """The studies a person has a role in (one of `roles`, when given)."""
    if not user.is_authenticated or not user.is_active:
        return Study.objects.none()
    membership = StudyMembership.objects.filter(user=user, is_active=True)
    if roles is not None:
        membership = membership.filter(role__in=roles)
    return Study.objects.filter(pk__in=membership.values("study"))


def study_or_404(user: User, code: str) -> Study:
    """The study, or the same 404 whether it does not exist or is not theirs to see."""
    return get_object_or_404(studies_of(user), code=code)


def may_see_arms(user: User | Operator, study: Study) -> bool:
    """Whether this person may be shown which mouse is in which arm."""
    return study.arms_are_open and bool(roles_in(user, study) & ARM_READERS)


def arm_names(user: User | Operator, study: Study) -> dict[int, str] | None:
    """Arm id -> what this person may call it: its name, a letter for a statistician after the lock, or None."""
    if may_see_arms(user, study):
        return dict(study.arms.values_list("pk", "name"))
    if not sees_masks(user, study):
        return None
    masks = study.arm_masks.order_by("-generation")
    latest = masks.values_list("generation", flat=True).first()
    return dict(masks.filter(generation=latest).values_list("arm", "letter")) or None


def sees_masks(user: User | Operator, study: Study) -> bool:
    """Whether arms go by letters for this person: a statistician's, between the lock and the unblinding."""
    locked = study.state == StudyState.DATA_LOCKED and not study.arms_are_open
    return locked and bool(roles_in(user, study) & MASK_READERS)


def may_reveal_in_emergency(user: User, study: Study) -> bool:
    return bool(roles_in(user, study) & EMERGENCY_ROLES)


def second_persons(user: User, study: Study) -> QuerySet[User]:
    """Who can be told that this person unblinded a mouse."""
    members = StudyMembership.objects.filter(study=study, is_active=True, role__in=SECOND_PERSONS)
    found = User.objects.filter(is_active=True, pk__in=members.values("user")).exclude(pk=user.pk)
    return found.order_by("full_name", "username")


def arm_told_by(reveal: Reveal) -> str:
    """The arm an emergency unblinding tells. Raises PermissionError unless the reveal is on record."""
    if not Reveal.objects.filter(pk=reveal.pk).exists():
        raise PermissionError("an arm is told after its unblinding is recorded, not before")
    return Allocation.objects.get(mouse=reveal.mouse_id).arm.name


def may_randomize(user: User | Operator, study: Study) -> bool:
    """Whether this person may draw which mouse gets which arm; that is not to see it."""
    return bool(roles_in(user, study) & SET_UP_ROLES)


def may_read_dose_sheet(user: User | Operator, study: Study) -> bool:
    return bool(roles_in(user, study) & DOSE_SHEET_READERS)


def may_open_sealed_list(user: User | Operator, study: Study) -> bool:
    return bool(roles_in(user, study) & SEALED_LIST_READERS)


def may_see_measurements(user: User | Operator, study: Study) -> bool:
    return bool(roles_in(user, study) & SCIENCE_READERS)


def may_see_biomarker(user: User | Operator, study: Study) -> bool:
    """MAP2K4 status is hidden from technicians while the study is blinded."""
    roles = roles_in(user, study)
    return study.arms_are_open or bool(roles - {Role.TECHNICIAN, Role.DOSER, Role.REPORT_READER})


def may_know_arms(user: User, study: Study) -> bool:
    """Whether this person may read the names and doses of the arms, whoever is in them."""
    return studies_with_known_arms(user).filter(pk=study.pk).exists()


def studies_with_known_arms(user: User) -> QuerySet[Study]:
    """Studies whose arms this person may read by name: open ones, and their drafts without an allocation."""
    opened = Q(is_blinded=False) | Q(state__in=[StudyState.UNBLINDED, StudyState.ARCHIVED])
    drafts = Q(state=StudyState.DRAFT) & ~Exists(Allocation.objects.filter(arm__study=OuterRef("pk")))
    readable = Q(pk__in=studies_of(user, ARM_READERS).values("pk")) & opened
    own = Q(pk__in=studies_of(user, SET_UP_ROLES).values("pk")) & drafts
    return Study.objects.filter(readable | own)


def may_enter_measurements(user: User, study: Study) -> bool:
    """Whether this person may enter, correct and void readings of the study."""
    return bool(roles_in(user, study) & ENTRY_ROLES)


def may_answer_alerts(user: User, study: Study) -> bool:
    return bool(roles_in(user, study) & ALERT_ANSWERERS)


def may_acknowledge_alerts(user: User, study: Study) -> bool:
    """Whether this person's word closes a welfare alert."""
    return bool(roles_in(user, study) & ACKNOWLEDGERS)


def may_record_exits(user: User, study: Study) -> bool:
    """Whether this person may say that a mouse left, and what was taken from it."""
    return bool(roles_in(user, study) & EXIT_RECORDERS)


def mouse_or_404(user: User, pk: int, roles: frozenset[Role] = SCIENCE_READERS) -> Mouse:
    """A mouse of a study in which the person has one of `roles`; else the same 404 as for none."""
    mice = Mouse.objects.select_related("study", "cage", "cohort", "pdx_model", "exit", "exclusion")
    return get_object_or_404(mice.filter(study__in=studies_of(user, roles)), pk=pk)


def may_begin_studies(user: User) -> bool:
    """Whether this person may begin a study: those granted it, and whoever directs one already."""
    if not user.is_authenticated or not user.is_active:
        return False
    return user.may_begin_studies or studies_of(user, SET_UP_ROLES).exists()


def pdx_models_with_hidden_status(user: User) -> frozenset[int]:
    """Keys of the PDX models whose biomarker status this person may not see.

    Those of any study, by its mice or its plan, in which the person is kept from the biomarker.
    """
    hiding = [study.pk for study in studies_of(user) if not may_see_biomarker(user, study)]
    used = Q(mice__study__in=hiding) | Q(planned_studies__study__in=hiding)
    return frozenset(PdxModel.objects.filter(used).values_list("pk", flat=True)) if hiding else frozenset()


def may_overrule_status(user: User, pdx_model: PdxModel) -> bool:
    """Whoever directs or may begin studies, unless one they are blinded in uses the PDX model."""
    return may_begin_studies(user) and pdx_model.pk not in pdx_models_with_hidden_status(user)


def report_view(user: User | Operator, study: Study) -> ReportView | None:
    """How a report built for this person now shows arms; None where they may build none."""
    if may_see_arms(user, study):
        return ReportView.OPEN
    if sees_masks(user, study):
        return ReportView.MASKED
    return ReportView.POOLED if may_see_measurements(user, study) else None


def report_views(user: User | Operator, study: Study) -> frozenset[ReportView]:
    """The views whose reports this person may open: never one that tells more than their screens do."""
    if may_see_arms(user, study):
        return frozenset(ReportView)
    views = {ReportView.MASKED} if sees_masks(user, study) else set()
    return frozenset(views | ({ReportView.POOLED} if may_see_measurements(user, study) else set()))


def reports_of(user: User, study: Study) -> QuerySet[StoredReport]:
    """The stored reports this person may open; a report reader those released alone."""
    released = Signature.objects.filter(study=study, act=SignedAct.REPORT).values_list("object_id", flat=True)
    is_released = Q(pk__in=[int(key) for key in released])
    may = Q(view__in=report_views(user, study))
    if study.arms_are_open and Role.REPORT_READER in roles_in(user, study):
        may |= is_released
    return study.reports.filter(may)


def jobs_of(user: User, study: Study) -> QuerySet[Job]:
    """The jobs this person may follow: those whose results they may open."""
    return study.jobs.filter(view__in=report_views(user, study))


def events_of(user: User, study: Study) -> QuerySet[AuditEvent]:
    """The events of the study this person may read: those that may name an arm only where arms are known to them."""
    events = AuditEvent.objects.filter(study=study)
    if not may_see_measurements(user, study):
        return events.none()
    if may_know_arms(user, study):
        return events
    return events.filter(object_type__in=NEVER_NAME_AN_ARM).exclude(chain__startswith="allocation:")
