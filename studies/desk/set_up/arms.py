"""Step 3: arms with their agents, doses and schedules."""

from django import forms

from studies.actions.arms import ArmDraft, Given, set_arms
from studies.actions.set_up import SetUpRefused
from studies.desk.set_up.fields import DaysField, DoseField, DoseVolumeField
from studies.desk.set_up.steps import after_saving, by, refused, show, step_view
from studies.models import Agent, Arm, ArmAgent, Study
from studies.terms import ArmRole, DosingFrequency, Route

FIRST_ARMS, MOST_ARMS = 4, 40
AGENTS_SHOWN, MOST_AGENTS = 2, 8


class ArmForm(forms.Form):
    key = forms.IntegerField(required=False, widget=forms.HiddenInput)
    name = forms.CharField(label="Arm", max_length=100, required=False)
    role = forms.ChoiceField(choices=[("", "choose"), *ArmRole.choices()], required=False)
    planned_mice = forms.IntegerField(label="Planned mice", min_value=1, max_value=10_000, required=False)
    control = forms.CharField(
        label="Compared with", max_length=100, required=False,
        widget=forms.TextInput({"placeholder": "the vehicle"}),
    )  # fmt: skip

    def clean(self):
        told = self.cleaned_data
        if any(told.get(name) for name in ("role", "planned_mice", "control")) and not told.get("name"):
            self.add_error("name", "Name this arm.")
        if told.get("name") and not told.get("role"):
            self.add_error("role", "Choose the role of this arm.")
        return told


class GivenForm(forms.Form):
    """An agent of an arm. What is left blank is taken from where an arm above gives the same agent.

    Dosing days left blank are those of the first agent of the page: most studies dose all arms alike.
    """

    agent = forms.CharField(max_length=100, required=False, widget=forms.TextInput(attrs={"list": "agents"}))
    dose = DoseField(required=False)
    route = forms.ChoiceField(choices=[("", "choose"), *Route.choices()], required=False)
    frequency = forms.ChoiceField(
        label="Schedule", choices=[("", "choose"), *DosingFrequency.choices()], required=False
    )
    first_day = forms.IntegerField(label="From day", required=False, min_value=-60, max_value=1000)
    last_day = forms.IntegerField(label="To day", required=False, min_value=-60, max_value=1000)
    vehicle = forms.CharField(
        max_length=100, required=False, widget=forms.TextInput(attrs={"list": "vehicles"})
    )
    volume = DoseVolumeField(required=False)
    dosing_days = DaysField(label="Listed days", required=False)

    def clean(self):
        told = self.cleaned_data
        if not told.get("agent") and any(told.get(name) not in (None, "", ()) for name in told):
            self.add_error("agent", "Name the agent of this dose.")
        if told.get("frequency") == DosingFrequency.DAY_LIST and not told.get("dosing_days"):
            self.add_error("dosing_days", "List the study days on which it is given.")
        return told

    @property
    def is_told(self) -> bool:
        return bool(self.cleaned_data.get("agent"))


class ArmsForm:
    """All arms of the page: `arms` pairs each arm's form with the forms of its agents."""

    def __init__(self, study: Study, data=None):
        self.fields: dict = {}
        self.reasons: list[str] = []
        stored = _stored(study)
        count = _count(data, "arms", MOST_ARMS) if data else max(len(stored) + 1, FIRST_ARMS)
        self.arms = []
        for place in range(count):
            arm, given = stored[place] if place < len(stored) else ({}, [])
            agents = _count(data, f"arm-{place}-agents", MOST_AGENTS) if data else len(given) + 1
            self.arms.append((
                ArmForm(data, prefix=f"arm-{place}", initial=arm),
                [
                    GivenForm(data, prefix=f"arm-{place}-agent-{n}", initial=given[n] if n < len(given) else {})
                    for n in range(max(agents, AGENTS_SHOWN))
                ],
            ))  # fmt: skip

    def is_valid(self) -> bool:
        forms_ = [form for arm, given in self.arms for form in (arm, *given)]
        return not [form for form in forms_ if not form.is_valid()]  # each of them, to show all errors

    def add_error(self, _field, reason: str) -> None:
        self.reasons.append(reason)

    def drafts(self) -> list[ArmDraft]:
        """What was typed. Raises SetUpRefused for agents below an arm without a name."""
        found, seen = [], {}
        for form, given_forms in self.arms:
            told = form.cleaned_data
            given = [_given(one.cleaned_data, seen) for one in given_forms if one.is_told]
            if given and not told["name"]:
                raise SetUpRefused(f"{given[0].agent} is given in an arm without a name.")
            if told["name"]:
                found.append(
                    ArmDraft(told["name"], told["role"], told["planned_mice"], tuple(given),
                             told["control"], told["key"])
                )  # fmt: skip
        return found


@step_view("arms")
def arms(request, study: Study):
    form = ArmsForm(study, request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_arms(study, _own(study, form.drafts()), by(request))
            return after_saving(request, study, "arms")
        except SetUpRefused as error:
            refused(form, error)
    vehicles = ArmAgent.objects.exclude(vehicle="").values_list("vehicle", flat=True).distinct()[:50]
    return show(request, study, "arms", form=form, agents=Agent.objects.all(), vehicles=vehicles)


def _own(study: Study, drafts: list[ArmDraft]) -> list[ArmDraft]:
    """A key posted for an arm of another study is no key."""
    own = set(Arm.objects.filter(study=study).values_list("pk", flat=True))
    if any(draft.key and draft.key not in own for draft in drafts):
        raise SetUpRefused("An arm on this page was removed meanwhile; load the page again.")
    return drafts


def _given(told: dict, seen: dict[str, Given]) -> Given:
    """An agent as typed, blanks filled from where an arm above gives the same agent."""
    above = seen.get(told["agent"].casefold())
    given = Given(
        agent=told["agent"],
        dose_mg_per_kg=told["dose"],
        route=told["route"],
        vehicle=told["vehicle"],
        volume_ml_per_kg=told["volume"],
        frequency=told["frequency"],
        dosing_days=told["dosing_days"] or (),
        first_day=told["first_day"],
        last_day=told["last_day"],
    )
    above = above or _days_alone(seen)
    if above:
        blank = {name for name, value in vars(given).items() if value in (None, "", ())}
        given = Given(**{**vars(given), **{name: getattr(above, name) for name in blank}})
    seen.setdefault(given.agent.casefold(), given)
    return given


def _days_alone(seen: dict[str, Given]) -> Given | None:
    first = next(iter(seen.values()), None)
    return first and Given("", first_day=first.first_day, last_day=first.last_day)


def _stored(study: Study) -> list[tuple[dict, list[dict]]]:
    rows = study.arms.select_related("control").prefetch_related("arm_agents__agent")
    return [
        (
            {"key": arm.pk, "name": arm.name, "role": arm.role, "planned_mice": arm.planned_mice,
             "control": arm.control.name if arm.control else ""},
            [
                {"agent": given.agent.name, "dose": given.dose_mg_per_kg, "route": given.route,
                 "frequency": given.frequency, "first_day": given.first_day, "last_day": given.last_day,
                 "vehicle": given.vehicle, "volume": given.volume_ml_per_kg,
                 "dosing_days": given.dosing_days}
                for given in sorted(arm.arm_agents.all(), key=lambda given: given.pk)
            ],
        )
        for arm in rows.order_by("position", "name")
    ]  # fmt: skip


def _count(data, name: str, most: int) -> int:
    told = data.get(name, "")
    return min(int(told), most) if told.isdigit() else 0
