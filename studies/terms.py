"""The words stored in the database and spoken by the analysis, one each.

Pure: standard library only, so that the analysis core and the models share them.
Each member's value is what is stored and exported; `label` is what a person reads.
"""

from enum import StrEnum
from typing import Self


class Term(StrEnum):
    """A stored word with a label for people, the word itself where none is given."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label or value.replace("_", " ")
        return member

    @classmethod
    def choices(cls) -> list[tuple[str, str]]:
        """(value, label) pairs in the order of definition, as Django's `choices` wants them."""
        return [(member.value, member.label) for member in cls]

    @classmethod
    def values(cls) -> list[str]:
        return [member.value for member in cls]


class Sex(Term):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class FunctionalClass(Term):
    """What a genotype call means for the gene's function."""

    LOSS_OF_FUNCTION = "loss_of_function"
    WILD_TYPE = "wild_type"
    UNCERTAIN = "uncertain"


class BiomarkerStatus(Term):
    """A PDX model's status for one gene. Uncertain and unknown stay out of strata and interactions."""

    LOSS_OF_FUNCTION = "loss_of_function"
    WILD_TYPE = "wild_type"
    UNCERTAIN = "uncertain"
    UNKNOWN = "unknown"


class ArmRole(Term):
    VEHICLE = "vehicle"
    SINGLE_AGENT = "single_agent"
    COMBINATION = "combination"
    OTHER_CONTROL = "other_control"


class StudyState(Term):
    DRAFT = "draft"
    ACTIVE = "active"
    DATA_LOCKED = "data_locked", "data locked"
    UNBLINDED = "unblinded"
    ARCHIVED = "archived"


class SignedAct(Term):
    """What a signature is given for."""

    ACTIVATION = "activation", "activation of the study"
    AMENDMENT = "amendment", "amendment of the protocol"
    DATA_LOCK = "data_lock", "lock of the data"
    UNLOCK_REQUEST = "unlock_request", "request to unlock the data"
    UNLOCK = "unlock", "unlock of the data"
    UNBLINDING = "unblinding", "unblinding of the study"
    ARCHIVING = "archiving", "archiving of the study"
    SHEET = "sheet", "measurement sheet"
    REPORT = "report"
    REVEAL = "reveal", "emergency unblinding of one mouse"


class SignatureMeaning(Term):
    ENTERED = "entered"
    REVIEWED = "reviewed"
    APPROVED = "approved"
    QA_RELEASED = "qa_released", "released by QA"


class CohortKind(Term):
    """What a cohort is for: a comparison of arms, or tumor for the next passage."""

    EFFICACY = "efficacy"
    EXPANSION = "expansion", "expansion (tumor for the next passage)"


class StudyOrigin(Term):
    """Imported studies are history: visits carry a study day and no date, and much may be unrecorded."""

    LIVE = "live"
    IMPORTED = "imported"
    SIMULATED = "simulated"


class MeasurementStatus(Term):
    """What a visit to one tumor found. A missing reading is a status, never a volume of 0."""

    MEASURED = "measured"
    NOT_PALPABLE = "not_palpable"
    TOO_SMALL = "too_small"
    ULCERATED = "ulcerated"
    NOT_DONE = "not_done"
    DEAD = "dead"
    EXCLUDED = "excluded"


class Sign(Term):
    """A clinical sign noted at the cage with one key. Ulceration is a status of the tumor, not a sign."""

    HUNCHED = "hunched"
    RUFFLED = "ruffled", "ruffled fur"
    LETHARGIC = "lethargic"
    THIN = "thin"
    BREATHING = "labored_breathing"
    EMACIATED = "emaciated", "body condition 1"
    UNDERCONDITIONED = "underconditioned", "body condition 2"

    @property
    def key(self) -> str:
        """The letter that notes it; none of x, w, u, r and s, which the sheet uses itself."""
        return _SIGN_KEYS[self]


class AlertLevel(Term):
    """Amber asks to look, red asks for an action on the animal."""

    AMBER = "amber"
    RED = "red"


class AlertAction(Term):
    """What is done about a welfare alert."""

    EUTHANIZE = "euthanize"
    VET = "vet", "veterinarian looks"
    DAILY_CHECK = "daily_check", "daily check"
    DOSING_HOLIDAY = "dosing_holiday", "dosing holiday"
    NOTE = "note", "note only"
    CORRECTED = "corrected", "reading corrected"

    @classmethod
    def of_people(cls) -> list[tuple[str, str]]:
        """What a person may answer; the last is said by the correction itself."""
        return [choice for choice in cls.choices() if choice[0] != cls.CORRECTED]


class ExitReason(Term):
    """Why a mouse left the study. `survival_coding` decides event, censored or competing."""

    SCHEDULED_END = "scheduled_end"
    TUMOR_SIZE = "tumor_size"
    ULCERATION = "ulceration"
    BODY_WEIGHT = "body_weight"
    CLINICAL_SIGNS = "clinical_signs"
    FOUND_DEAD = "found_dead"
    ACCIDENT = "accident"
    TREATMENT_TOXICITY = "treatment_toxicity"
    SAMPLED = "sampled"

    @property
    def survival_coding(self) -> "SurvivalCoding":
        return _SURVIVAL_CODING[self]


class DoseOutcome(Term):
    """What became of a dose that was due."""

    GIVEN = "given"
    PARTIAL = "partial", "given in part"
    OMITTED = "omitted"


class SampleKind(Term):
    """How tissue taken at a mouse's exit is kept."""

    SNAP_FROZEN = "snap_frozen", "snap-frozen"
    FFPE = "ffpe", "FFPE"
    FRESH = "fresh"
    BLOOD = "blood", "blood or plasma"


class PhotoSubject(Term):
    """What a photo of a mouse shows."""

    ULCER = "ulcer"
    TUMOR = "tumor"
    NECROPSY = "necropsy"


class SurvivalCoding(Term):
    """How an exit counts in time-to-event analyses: tumor-driven culls are events, toxicity competes."""

    EVENT = "event"
    CENSORED = "censored"
    COMPETING = "competing"


class YesNoUnknown(Term):
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Role(Term):
    """A person's part in one study; see docs/architecture.md for what each may see."""

    TECHNICIAN = "technician"
    DOSER = "doser"
    STUDY_DIRECTOR = "study_director"
    STATISTICIAN = "statistician"
    QUALITY_ASSURANCE = "quality_assurance"
    VETERINARIAN = "veterinarian"
    ALLOCATION_CUSTODIAN = "allocation_custodian"
    REPORT_READER = "report_reader", "report reader (sponsor)"
    ADMINISTRATOR = "administrator"


class TokenScope(Term):
    """What a program may do with an API token: look, or also enter measurements."""

    READ = "read"
    ENTRY = "entry", "read and enter measurements"


class Route(Term):
    """How an agent is given."""

    ORAL = "oral"
    INTRAPERITONEAL = "intraperitoneal"
    INTRAVENOUS = "intravenous"
    SUBCUTANEOUS = "subcutaneous"
    INTRAMUSCULAR = "intramuscular"
    INTRATUMORAL = "intratumoral"
    DIET = "diet"


class DosingFrequency(Term):
    """The pattern doses follow inside an arm's dosing window."""

    ONCE_DAILY = "qd", "once daily (QD)"
    TWICE_DAILY = "bid", "twice daily (BID)"
    FIVE_ON_TWO_OFF = "5_on_2_off", "5 days on, 2 off"
    EVERY_OTHER_DAY = "q2d", "every other day (Q2D)"
    WEEKLY = "q7d", "once weekly (Q7D)"
    DAY_LIST = "day_list", "on listed study days"


class ModelKind(Term):
    PATIENT_DERIVED = "patient_derived", "patient-derived xenograft"
    CELL_LINE = "cell_line", "cell-line xenograft"
    CELL_LINE_KNOCKOUT = "cell_line_knockout", "engineered knock-out of a cell line"


class TumorType(Term):
    """Where in the disease's course the patient's sample was taken (CancerModels.org dictionary)."""

    PRIMARY = "primary"
    METASTATIC = "metastatic"
    RECURRENT = "recurrent"
    REFRACTORY = "refractory"
    PRE_MALIGNANT = "pre-malignant"


class ExpectedSign(Term):
    """Which stratum a drug is declared, beforehand, to slow more."""

    LOSS_OF_FUNCTION = "loss_of_function_more_sensitive"
    WILD_TYPE = "wild_type_more_sensitive"


class VolumeMethod(Term):
    """Where a reading's volume comes from: two calipered lengths, or a value reported as a volume."""

    CALIPER = "caliper"
    REPORTED = "reported"
    IMAGING = "imaging"


class ReportView(Term):
    """How a report shows arms, by who asked for it; reports of different views never meet."""

    OPEN = "open", "arms by name"
    MASKED = "masked", "arms by letter"
    POOLED = "pooled", "all mice together"


class JobKind(Term):
    """Long work done outside a request."""

    REPORT = "report"


class JobState(Term):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"


_SIGN_KEYS = {
    Sign.HUNCHED: "h",
    Sign.RUFFLED: "f",
    Sign.LETHARGIC: "l",
    Sign.THIN: "t",
    Sign.BREATHING: "b",
    Sign.EMACIATED: "e",
    Sign.UNDERCONDITIONED: "n",
}
_SURVIVAL_CODING: dict[ExitReason, SurvivalCoding] = {
    ExitReason.SCHEDULED_END: SurvivalCoding.CENSORED,
    ExitReason.TUMOR_SIZE: SurvivalCoding.EVENT,
    ExitReason.ULCERATION: SurvivalCoding.EVENT,
    ExitReason.BODY_WEIGHT: SurvivalCoding.COMPETING,
    ExitReason.CLINICAL_SIGNS: SurvivalCoding.COMPETING,
    ExitReason.FOUND_DEAD: SurvivalCoding.COMPETING,
    ExitReason.ACCIDENT: SurvivalCoding.CENSORED,
    ExitReason.TREATMENT_TOXICITY: SurvivalCoding.COMPETING,
    ExitReason.SAMPLED: SurvivalCoding.CENSORED,
}
