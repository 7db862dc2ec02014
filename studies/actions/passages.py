"""The registry's recorded decisions: the next passage from its donor, and a status set against the calls."""

from datetime import date

from django.db import transaction

from studies import access
from studies.actions.audit import INSTALLATION, record_event
from studies.actions.set_up import By, SetUpRefused
from studies.models import Mouse, Passage, PdxModel, StatusOverrule
from studies.terms import BiomarkerStatus, CohortKind


@transaction.atomic
def record_passage(donor: Mouse, passaged_on: date, fragment: str, label: str, by: By) -> Passage:
    """The passage after the donor's, from the donor's tumor.

    Raises SetUpRefused for a donor outside an expansion cohort, one whose own passage is not on record,
    a day before its implantation, a passage recorded twice, and for who does not direct its study.
    """
    donor = Mouse.objects.select_for_update(of=("self",)).select_related("cohort", "study").get(pk=donor.pk)
    if not access.roles_in(by.actor, donor.study) & access.SET_UP_ROLES or not donor.study.accepts_data:
        raise SetUpRefused(f"Study {donor.study.code} is not open to changes of yours.")
    if donor.cohort is None or donor.cohort.kind != CohortKind.EXPANSION:
        raise SetUpRefused(f"Mouse {donor.label} is in no expansion cohort; its tumor is not passed on.")
    tumor = donor.tumors.filter(passage__isnull=False).select_related("passage").order_by("number").first()
    if tumor is None:
        raise SetUpRefused(f"The passage mouse {donor.label} carries is not on record; record it first.")
    if tumor.implanted_on and passaged_on <= tumor.implanted_on:
        raise SetUpRefused(f"Mouse {donor.label} was implanted on {tumor.implanted_on}, not before this day.")
    number = tumor.passage.number + 1
    if Passage.objects.filter(pdx_model=donor.pdx_model, number=number, label=label).exists():
        told = f'with the label "{label}"' if label else "without a label"
        raise SetUpRefused(f"{donor.pdx_model} P{number} {told} is on record; give this one a label.")
    passage = Passage.objects.create(
        pdx_model=donor.pdx_model,
        number=number,
        label=label,
        donor_mouse=donor,
        fragment=fragment,
        passaged_on=passaged_on,
    )
    record_event("recorded a passage", passage, actor=by.actor, at=by.at, chain=INSTALLATION, new={
        "pdx_model": donor.pdx_model.code, "number": number, "label": label, "fragment": fragment,
        "passaged_on": passaged_on.isoformat(), "donor": donor.key,
    })  # fmt: skip
    return passage


@transaction.atomic
def overrule_status(
    pdx_model: PdxModel, gene: str, status: BiomarkerStatus, reason: str, by: By
) -> StatusOverrule:
    """Set a gene's status against what its calls say. Raises SetUpRefused without a reason or the right."""
    if not access.may_overrule_status(by.actor, pdx_model):
        raise SetUpRefused("A status is overruled by a study director who may see it.")
    gene = gene.strip().upper()
    if not reason.strip() or not gene:
        raise SetUpRefused("Name the gene, and say why its status is not what the calls say.")
    PdxModel.objects.select_for_update().get(pk=pdx_model.pk)
    stored = pdx_model.status_overrules.filter(gene=gene).first()
    old = {"status": stored.status, "reason": stored.reason} if stored else None
    overrule = stored or StatusOverrule(pdx_model=pdx_model, gene=gene)
    overrule.status, overrule.reason = status, reason.strip()
    overrule.save()
    record_event("overruled a status", overrule, actor=by.actor, at=by.at, chain=INSTALLATION, old=old,
                 new={"pdx_model": pdx_model.code, "gene": gene, "status": str(status)},
                 reason=overrule.reason)  # fmt: skip
    return overrule
