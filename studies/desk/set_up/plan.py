"""Step 6: the analysis plan, decided before any data, and what agents are expected to do."""

from typing import Any

from django import forms
from django.db import transaction

from studies.actions.arms import CONTROLS
from studies.actions.protocol_facts import set_expected_signs
from studies.actions.set_up import SetUpRefused, save_plan
from studies.desk.set_up.sample_size import SampleSizeForm, needs
from studies.desk.set_up.steps import after_saving, by, refused, show, step_view
from studies.models import Agent, Arm, ArmAgent, Study
from studies.models.pdx_model import DEFAULT_GENE
from studies.terms import ArmRole, ExpectedSign

ESTIMANDS = (
    ("slope", "growth rate (slope of log volume)"),
    ("egait", "area under the log curves (eGaIT)"),
    ("day_difference", "log volume on the day below"),
)
DEFAULT_SEED = 20180101


class PlanForm(forms.Form):
    control = forms.ChoiceField(label="Control arm", help_text="What every other arm is compared with.")
    estimand = forms.ChoiceField(label="Primary outcome", choices=ESTIMANDS, initial="slope")
    day = forms.TypedChoiceField(label="Arms are compared on day", coerce=float)
    endpoint_fold = forms.FloatField(
        label="Time to endpoint: volume reaches this multiple of baseline", min_value=1.01, initial=4
    )
    alpha = forms.FloatField(
        label="Significance level (two-sided)", min_value=0.001, max_value=0.5, initial=0.05
    )
    random_seed = forms.IntegerField(
        label="Random seed", min_value=0, initial=DEFAULT_SEED,
        help_text="Makes bootstrap and permutation results the same for everyone.",
    )  # fmt: skip
    target_tgi_percent = forms.FloatField(
        label="Smallest effect of interest: TGI (%)", min_value=1, max_value=99, required=False,
        help_text="What the planned mice of each arm are to show. The report holds it against the mice analyzed.",
    )  # fmt: skip
    target_power_percent = forms.FloatField(
        label="Power (%)", min_value=50, max_value=99, initial=80, required=False
    )
    target_source = forms.CharField(
        label="Where effect and variability come from", max_length=500, required=False,
        help_text="An earlier study, a paper, or the computation below.",
    )  # fmt: skip

    def __init__(self, *args, study: Study, **kwargs):
        super().__init__(*args, **kwargs)
        arms = list(study.arms.order_by("position"))
        self.arms_without_mice = [arm.name for arm in arms if not arm.planned_mice]
        controls = [arm for arm in arms if arm.role in CONTROLS] or arms
        self.fields["control"].choices = [(arm.name, arm.name) for arm in controls]
        days = [day for day in study.schedule_days if day > 0]
        self.fields["day"].choices = [(f"{day:g}", f"day {day:g}") for day in days]
        self.fields["day"].initial = f"{days[-1]:g}" if days else None
        agents = Agent.objects.filter(arm_agents__arm__in=[a for a in arms if a.role not in CONTROLS])
        self.agents = list(agents.distinct())
        for agent in self.agents:
            self.fields[f"sign-{agent.pk}"] = forms.ChoiceField(
                label=f"{agent} is expected to slow more",
                choices=[("", "no direction declared"), *ExpectedSign.choices()],
                required=False,
            )

    def clean(self) -> dict[str, Any]:
        told = super().clean()
        if told.get("target_tgi_percent"):
            for name in ("target_power_percent", "target_source"):
                if name not in self.errors and not told.get(name):
                    self.add_error(name, "A sample size is declared with its power and its source.")
            if self.arms_without_mice:
                named = ", ".join(self.arms_without_mice)
                self.add_error("target_tgi_percent", f"These arms have no planned mice yet: {named}.")
        return told

    def signs(self) -> dict[str, str]:
        told = ((agent.name, self.cleaned_data[f"sign-{agent.pk}"]) for agent in self.agents)
        return {name: sign for name, sign in told if sign}


@step_view("plan")
def plan(request, study: Study):
    stored = study.analysis_plans.order_by("-version").first()
    form = PlanForm(request.POST or None, study=study, initial=_initial(study, stored.plan if stored else {}))
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                set_expected_signs(study, form.signs(), by(request))
                built = built_plan(study, form)
                save_plan(study, built, "The pre-specified analysis of the protocol.", by(request))
            return after_saving(request, study, "plan")
        except SetUpRefused as error:
            refused(form, error)
    sizes = SampleSizeForm(request.GET if "tgi_percent" in request.GET else None)
    found = needs(study, sizes.cleaned_data) if sizes.is_bound and sizes.is_valid() else []
    return show(request, study, "plan", form=form, stored=stored, sizes=sizes, needs=found)


def built_plan(study: Study, form: PlanForm) -> dict[str, Any]:
    """The plan as `analyze_study` takes it: what was chosen, and what follows from the arms."""
    told, arms = form.cleaned_data, _arms(study)
    plan = {
        "control": told["control"],
        "primary": {"estimand": told["estimand"]},
        "day": told["day"],
        "window": [0, told["day"]],
        "endpoint": {"fold": told["endpoint_fold"]},
        "alpha": told["alpha"],
        "lod_mm3": study.lod_mm3,
        "volume_formula": study.volume_formula,
        "random_seed": told["random_seed"],
        "combinations": combinations(arms),
        "expected_sign": expected_sign_of_arms(arms, form.signs()),
    }
    if study.biomarker == DEFAULT_GENE:
        plan["biomarker"] = "map2k4"
    if dosing := _dosing(study):
        plan["dosing"] = dosing
    if told["target_tgi_percent"]:
        plan["sample_size"] = {
            "tgi_percent": told["target_tgi_percent"],
            "power": told["target_power_percent"] / 100,
            "alpha": told["alpha"],
            "mice_per_arm": {arm.name: arm.planned_mice for arm in arms},
            "source": told["target_source"],
        }
    own = {arm.name: arm.control.name for arm in arms if arm.control and arm.control.name != told["control"]}
    return {**plan, "controls": own} if own else plan


def combinations(arms: list[Arm]) -> list[dict[str, Any]]:
    """Each combination with the single-agent arms whose agents it joins."""
    agents = {arm.name: {given.agent_id for given in arm.arm_agents.all()} for arm in arms}
    singles = [arm.name for arm in arms if arm.role == ArmRole.SINGLE_AGENT]
    found = []
    for arm in arms:
        parts = [name for name in singles if agents[name] and agents[name] <= agents[arm.name]]
        if arm.role == ArmRole.COMBINATION and len(parts) > 1:
            found.append({"arm": arm.name, "parts": parts})
    return found


def expected_sign_of_arms(arms: list[Arm], signs: dict[str, str]) -> dict[str, str]:
    """Agents carry the declaration; the plan names the single-agent arm of each."""
    return {
        arm.name: signs[given.agent.name]
        for arm in arms
        if arm.role == ArmRole.SINGLE_AGENT
        for given in arm.arm_agents.all()
        if given.agent.name in signs
    }


def _arms(study: Study) -> list[Arm]:
    return list(
        study.arms.select_related("control").prefetch_related("arm_agents__agent").order_by("position")
    )


def _dosing(study: Study) -> list[int] | None:
    rows = ArmAgent.objects.filter(arm__study=study, first_day__isnull=False, last_day__isnull=False)
    days = list(rows.values_list("first_day", "last_day"))
    if not days:
        return None
    first, last = min(a for a, _ in days), max(b for _, b in days)
    return [first, last] if first < last else None


def _initial(study: Study, plan: dict[str, Any]) -> dict[str, Any]:
    initial = {f"sign-{row.agent_id}": row.expected_sign for row in study.expected_signs.all()}
    if not plan:
        return initial
    return initial | {
        "control": plan.get("control"),
        "estimand": plan.get("primary", {}).get("estimand", "slope"),
        "day": f"{plan['day']:g}" if plan.get("day") is not None else None,
        "endpoint_fold": plan.get("endpoint", {}).get("fold", 4),
        "alpha": plan.get("alpha", 0.05),
        "random_seed": plan.get("random_seed", DEFAULT_SEED),
        **_initial_target(plan.get("sample_size")),
    }


def _initial_target(target: dict[str, Any] | None) -> dict[str, Any]:
    if not target:
        return {}
    return {
        "target_tgi_percent": target["tgi_percent"],
        "target_power_percent": 100 * target["power"],
        "target_source": target["source"],
    }
