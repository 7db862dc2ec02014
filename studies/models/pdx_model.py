"""The PDX model registry: patient, sample, tumor line, passages, genotype calls (terms of PDX-MI)."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import PROTECT, Q

from studies.terms import BiomarkerStatus, FunctionalClass, ModelKind, Sex, TumorType

CODED_ONLY = "A coded id; never a name, a birth date or a hospital number."
DEFAULT_GENE = "MAP2K4"


class Patient(models.Model):
    """The donor, by coded id only."""

    code = models.CharField(max_length=60, unique=True, help_text=CODED_ONLY)
    sex = models.CharField(max_length=10, choices=Sex.choices(), blank=True)
    diagnosis = models.CharField("initial diagnosis", max_length=200, blank=True)
    age_at_diagnosis_years = models.PositiveSmallIntegerField(
        "age at diagnosis (years)", null=True, blank=True
    )
    ethnicity = models.CharField(max_length=100, blank=True)
    consented_to_share = models.BooleanField(null=True, help_text="Consent to share data, where it is known.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(age_at_diagnosis_years__isnull=True) | Q(age_at_diagnosis_years__lte=120),
                name="patient_age_plausible",
            ),
        ]

    def __str__(self) -> str:
        return self.code


class PatientSample(models.Model):
    """The piece of tumor a model was made from."""

    patient = models.ForeignKey(Patient, PROTECT, related_name="samples")
    code = models.CharField(max_length=60, unique=True, help_text=CODED_ONLY)
    tumor_type = models.CharField(max_length=20, choices=TumorType.choices(), blank=True)
    diagnosis = models.CharField(max_length=200, blank=True)
    histology = models.CharField(max_length=200, blank=True)
    primary_site = models.CharField(max_length=100, blank=True)
    collection_site = models.CharField(max_length=100, blank=True)
    stage = models.CharField(max_length=40, blank=True)
    staging_system = models.CharField(max_length=40, blank=True)
    grade = models.CharField(max_length=40, blank=True)
    grading_system = models.CharField(max_length=40, blank=True)
    age_in_years_at_collection = models.PositiveSmallIntegerField(
        "age at collection (years)", null=True, blank=True
    )
    treatment_naive_at_collection = models.BooleanField(null=True)
    diagnostic_markers = models.CharField(
        max_length=200, blank=True, help_text="With the platform, such as ER+, HER2- by IHC."
    )

    class Meta:
        verbose_name = "patient sample"

    def __str__(self) -> str:
        return self.code


class PdxModel(models.Model):
    """A tumor line: a patient-derived xenograft, a cell line grown as one, or its engineered knock-out."""

    code = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=24, choices=ModelKind.choices(), default=ModelKind.PATIENT_DERIVED)
    sample = models.ForeignKey(PatientSample, PROTECT, null=True, blank=True, related_name="pdx_models")
    parent = models.ForeignKey(
        "self",
        PROTECT,
        null=True,
        blank=True,
        related_name="derived_models",
        help_text="For a knock-out, the line it was made from; the two are analyzed as a pair.",
    )
    clone = models.CharField(
        max_length=60, blank=True, help_text="Which independently derived clone of the knock-out."
    )
    cancer_type = models.CharField(max_length=100, blank=True, help_text="Such as breast, colon, prostate.")
    host_strain = models.CharField(max_length=100, blank=True)
    engraftment_site = models.CharField(max_length=100, blank=True)
    engraftment_type = models.CharField(max_length=40, blank=True, help_text="Heterotopic or orthotopic.")
    host_source = models.CharField("host supplier", max_length=100, blank=True)
    humanization = models.CharField(
        max_length=100, blank=True, help_text="Not humanized, or how: such as CD34+ cord blood."
    )
    tumor_preparation = models.CharField(max_length=100, blank=True, help_text="Such as solid fragment.")
    characterization = models.CharField(
        max_length=200, blank=True, help_text="Which technology the model is characterized by."
    )
    human_origin_check = models.CharField(
        max_length=200, blank=True, help_text="How it was shown to be no mouse tumor and no EBV lymphoma."
    )
    standard_of_care_response = models.CharField(max_length=200, blank=True)
    animal_health_status = models.CharField(max_length=100, blank=True, help_text="Such as SPF.")
    passage_qa = models.CharField(
        "passages checked",
        max_length=100,
        blank=True,
        help_text="Which passages were checked, such as P2, P4.",
    )
    note = models.TextField(max_length=2000, blank=True)

    class Meta:
        verbose_name = "PDX model"
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=ModelKind.values()), name="pdx_model_kind_known"),
            models.CheckConstraint(
                condition=~Q(kind=ModelKind.CELL_LINE_KNOCKOUT) | Q(parent__isnull=False),
                name="knockout_names_its_parent",
                violation_error_message="A knock-out names the line it was made from.",
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def pair(self) -> str:
        """The block an isogenic pair shares: the parent's code, or the model's own."""
        return self.parent.code if self.parent_id else self.code

    def biomarker_status(self, gene: str = DEFAULT_GENE) -> BiomarkerStatus:
        """A gene's status: its overrule, else its calls, where loss of function outweighs the rest."""
        for overrule in self.status_overrules.all():
            if overrule.gene == gene:
                return BiomarkerStatus(overrule.status)
        classes = {call.functional_class for call in self.genotype_calls.all() if call.gene == gene}
        for functional_class in (
            FunctionalClass.LOSS_OF_FUNCTION,
            FunctionalClass.UNCERTAIN,
            FunctionalClass.WILD_TYPE,
        ):
            if functional_class in classes:
                return BiomarkerStatus(functional_class.value)
        return BiomarkerStatus.UNKNOWN

    @property
    def map2k4_status(self) -> BiomarkerStatus:
        return self.biomarker_status(DEFAULT_GENE)


class Passage(models.Model):
    """One transfer of the tumor from a donor mouse to the next."""

    pdx_model = models.ForeignKey(PdxModel, PROTECT, verbose_name="PDX model", related_name="passages")
    number = models.PositiveSmallIntegerField()
    label = models.CharField(
        max_length=40, blank=True, help_text="Where one number was passaged several times."
    )
    donor_mouse = models.ForeignKey("Mouse", PROTECT, null=True, blank=True, related_name="passages_donated")
    fragment = models.CharField(max_length=100, blank=True)
    passaged_on = models.DateField(null=True, blank=True)

    class Meta:
        ordering = ["pdx_model", "number", "label"]
        constraints = [
            models.UniqueConstraint(fields=["pdx_model", "number", "label"], name="passage_once_per_model"),
        ]

    def __str__(self) -> str:
        return f"{self.pdx_model} P{self.number}{self.label and ' ' + self.label}"


class GenotypeCall(models.Model):
    """What one assay found in one gene: the evidence a biomarker status is derived from."""

    pdx_model = models.ForeignKey(PdxModel, PROTECT, verbose_name="PDX model", related_name="genotype_calls")
    gene = models.CharField(max_length=30, default=DEFAULT_GENE)
    variant = models.CharField(
        max_length=100, blank=True, help_text="Such as p.Arg134Trp, deletion; blank if none."
    )
    functional_class = models.CharField(max_length=20, choices=FunctionalClass.choices())
    assay = models.CharField(max_length=100, blank=True, help_text="Such as WES, panel, IHC, MLPA.")
    passage_tested = models.ForeignKey(Passage, PROTECT, null=True, blank=True, related_name="genotype_calls")
    called_on = models.DateField(null=True, blank=True)

    class Meta:
        verbose_name = "genotype call"
        ordering = ["pdx_model", "gene", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(functional_class__in=FunctionalClass.values()), name="genotype_class_known"
            ),
            models.CheckConstraint(condition=~Q(gene=""), name="genotype_gene_named"),
        ]

    def __str__(self) -> str:
        return f"{self.pdx_model} {self.gene} {self.get_functional_class_display()}"

    def clean(self) -> None:
        self.gene = self.gene.strip().upper()
        if self.passage_tested and self.passage_tested.pdx_model_id != self.pdx_model_id:
            raise ValidationError({"passage_tested": "This passage is of another PDX model."})


class StatusOverrule(models.Model):
    """A biomarker status set by hand against what the calls say, with the reason."""

    pdx_model = models.ForeignKey(
        PdxModel, PROTECT, verbose_name="PDX model", related_name="status_overrules"
    )
    gene = models.CharField(max_length=30, default=DEFAULT_GENE)
    status = models.CharField(max_length=20, choices=BiomarkerStatus.choices())
    reason = models.TextField(max_length=2000)

    class Meta:
        verbose_name = "status overrule"
        constraints = [
            models.UniqueConstraint(fields=["pdx_model", "gene"], name="one_overrule_per_gene"),
            models.CheckConstraint(
                condition=Q(status__in=BiomarkerStatus.values()), name="overrule_status_known"
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="overrule_has_a_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.pdx_model} {self.gene} overruled: {self.get_status_display()}"
