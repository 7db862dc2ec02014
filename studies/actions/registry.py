"""What a file of measurements tells about PDX models, brought into the registry without contradicting it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from studies.actions.audit import INSTALLATION, record_event
from studies.columns import NO_VARIANT
from studies.imports import MeasurementTable, RowError
from studies.models import GenotypeCall, PdxModel, User
from studies.models.pdx_model import DEFAULT_GENE
from studies.terms import BiomarkerStatus, FunctionalClass

ASSAY = "as stated in the imported file"
VARIANT_COLUMN = f"{DEFAULT_GENE}_call"
# A column headed like a gene symbol holds calls of that gene.
GENE_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{2,9}(_call)?")
NOT_TESTED = frozenset({"", "na", "n/a", "nan", "unknown", "not sequenced"})


@dataclass
class _ModelDraft:
    code: str
    line: int
    cancer_type: str = ""
    status: BiomarkerStatus = BiomarkerStatus.UNKNOWN
    status_line: int = 0
    variants: dict[str, str] = field(default_factory=dict)


@dataclass
class RegistryDraft:
    """The PDX models of a file, and those of them the registry already knows."""

    models: dict[str, _ModelDraft]
    defects: list[RowError]
    known: dict[str, PdxModel] = field(default_factory=dict)

    @classmethod
    def read(cls, table: MeasurementTable) -> "RegistryDraft":
        draft = cls({}, [])
        genes = [name for name in table.columns if GENE_SYMBOL.fullmatch(name)]
        statuses, kinds = table.columns.get("map2k4_status"), table.columns.get("tumor_type")
        for row, code in enumerate(table.columns["pdx_model"]):
            model = draft.models.get(code)
            if model is None:
                model = draft.models[code] = _ModelDraft(code, table.lines[row])
            if kinds and kinds[row]:
                model.cancer_type = kinds[row]
            if statuses:
                draft._hear_status(model, BiomarkerStatus(statuses[row]), table.lines[row])
            for gene in genes:
                if (table.columns[gene][row] or "").strip().lower() not in NOT_TESTED:
                    model.variants.setdefault(gene, table.columns[gene][row].strip())
        found = PdxModel.objects.filter(code__in=list(draft.models))
        draft.known = {m.code: m for m in found.prefetch_related("genotype_calls", "status_overrules")}
        return draft

    def _hear_status(self, model: _ModelDraft, status: BiomarkerStatus, line: int) -> None:
        if status is BiomarkerStatus.UNKNOWN or status is model.status:
            return
        if model.status is BiomarkerStatus.UNKNOWN:
            model.status, model.status_line = status, line
        else:
            reason = f"PDX model {model.code} has the status {model.status} in line {model.status_line}"
            self.defects.append(RowError(line, "map2k4_status", str(status), reason))

    def conflicts(self) -> Iterable[RowError]:
        """Where the file contradicts itself, or says something else than the registry."""
        yield from self.defects
        for model in self.models.values():
            on_record = self.known[model.code].map2k4_status if model.code in self.known else None
            if on_record in (None, BiomarkerStatus.UNKNOWN) or BiomarkerStatus.UNKNOWN is model.status:
                continue
            if on_record != model.status:
                reason = (
                    f"the registry has {on_record} for PDX model {model.code}; mend the file or the registry"
                )
                yield RowError(model.status_line, "map2k4_status", str(model.status), reason)

    def store(self, *, actor: User | None, at: datetime, origin: str) -> dict[str, PdxModel]:
        """Add new models and calls inside the caller's transaction; returns every model by code."""
        new = PdxModel.objects.bulk_create(
            PdxModel(code=model.code, cancer_type=model.cancer_type)
            for model in self.models.values()
            if model.code not in self.known
        )
        models = {**self.known, **{model.code: model for model in new}}
        calls = [
            call for draft in self.models.values() for call in self._new_calls(models[draft.code], draft)
        ]
        GenotypeCall.objects.bulk_create(calls)
        if new or calls:
            self._record(models, new, calls, actor, at, origin)
        return models

    def _new_calls(self, model: PdxModel, draft: _ModelDraft) -> Iterable[GenotypeCall]:
        told = {call.gene for call in model.genotype_calls.all()} if model.code in self.known else set()
        if draft.status is not BiomarkerStatus.UNKNOWN and DEFAULT_GENE not in told:
            variant = draft.variants.get(VARIANT_COLUMN, "")
            yield GenotypeCall(
                pdx_model=model,
                gene=DEFAULT_GENE,
                functional_class=draft.status.value,
                variant="" if variant.lower() in NO_VARIANT else variant,
                assay=ASSAY,
            )
        for column, variant in draft.variants.items():
            gene = column.removesuffix("_call")
            if gene != DEFAULT_GENE and gene not in told:
                wild_type = variant.lower() in NO_VARIANT
                # A variant's name does not say what it does to the gene; that is for a person to judge.
                functional_class = FunctionalClass.WILD_TYPE if wild_type else FunctionalClass.UNCERTAIN
                yield GenotypeCall(
                    pdx_model=model,
                    gene=gene,
                    functional_class=functional_class,
                    variant="" if wild_type else variant,
                    assay=ASSAY,
                )

    def _record(self, models, new, calls, actor, at, origin) -> None:
        first = new[0] if new else calls[0].pdx_model
        record_event(
            "registered PDX models",
            first,
            actor=actor,
            at=at,
            chain=INSTALLATION,
            new={
                "origin": origin,
                "pdx_models": [model.code for model in new],
                "genotype_calls": [
                    [call.pdx_model.code, call.gene, call.functional_class, call.variant] for call in calls
                ],
            },
        )
