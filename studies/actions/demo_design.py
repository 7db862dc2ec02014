"""What the demo declares: its PDX models, arms and agents, and the truth its studies are drawn from.

Models, patients, genotype calls and doses are made up to look like a study, and every record says so.
That loss of MAP2K4 makes tumors sensitive to MEK inhibition follows the literature; 20 % and 80 % are
chosen numbers.
"""

from dataclasses import dataclass

from studies.actions.demo_people import COMPLETED
from studies.analysis.simulation_design import (
    ArmTruth,
    Design,
    Limits,
    PdxModelTruth,
    Variation,
    with_fold,
    with_tgi,
)
from studies.terms import (
    ArmRole,
    BiomarkerStatus,
    DosingFrequency,
    ExpectedSign,
    FunctionalClass,
    Route,
    Sex,
)

SEED = 2055
TRUTH_DAY = 21
CONTROL_FOLD = 4.0
MICE_PER_ARM = 5
DAYS = (-1, 0, 3, 7, 10, 14, 17, 21)
VEHICLE, BINIMETINIB, HRX_0233 = "Vehicle", "Binimetinib", "HRX-0233"
COMBINATION = "Binimetinib + HRX-0233"
WILD_TYPE, LOSS = str(BiomarkerStatus.WILD_TYPE), str(BiomarkerStatus.LOSS_OF_FUNCTION)

# True ratio TGI (%) at TRUTH_DAY. Bliss independence would give the combination 28 % in wild type and
# 80 % in loss of function, where HRX-0233 has lost its target.
TRUE_TGI = {
    WILD_TYPE: {BINIMETINIB: 20.0, HRX_0233: 10.0, COMBINATION: 70.0},
    LOSS: {BINIMETINIB: 80.0, HRX_0233: 0.0, COMBINATION: 80.0},
}
# How the three models of a status differ, in slope per day: every arm holds the same three deviations
# in another order, so that models differ in growth and in drug effect.
DEVIATIONS = {
    VEHICLE: (-0.004, 0.0, 0.004),
    BINIMETINIB: (0.0, 0.004, -0.004),
    HRX_0233: (-0.004, 0.004, 0.0),
    COMBINATION: (0.0, -0.004, 0.004),
}
VARIATION = Variation(mouse_slope_sd=0.014)
LIMITS = Limits(volume_cap_mm3=1500.0)
ARM_TRUTHS = (
    ArmTruth(VEHICLE, ArmRole.VEHICLE),
    ArmTruth(BINIMETINIB, ArmRole.SINGLE_AGENT, -0.15, 0.1),
    ArmTruth(HRX_0233, ArmRole.SINGLE_AGENT, -0.05, 0.1),
    ArmTruth(COMBINATION, ArmRole.COMBINATION, -0.45, 0.4),
)


@dataclass(frozen=True)
class DemoAgent:
    """An agent as an arm gives it. Doses are illustrative."""

    name: str
    target: str
    dose_mg_per_kg: float | None
    frequency: DosingFrequency
    route: Route = Route.ORAL
    vehicle: str = "1 % CMC with 0.5 % Tween 80 in water (illustrative)"
    volume_ml_per_kg: float = 10.0


CARRIER = DemoAgent("vehicle (CMC with Tween 80)", "", None, DosingFrequency.TWICE_DAILY)
AGENTS = {
    BINIMETINIB: DemoAgent("binimetinib", "MEK", 10.0, DosingFrequency.TWICE_DAILY),
    HRX_0233: DemoAgent("HRX-0233", "MAP2K4", 30.0, DosingFrequency.ONCE_DAILY),
}
AGENTS_OF_ARM = {
    VEHICLE: (CARRIER,),
    BINIMETINIB: (AGENTS[BINIMETINIB],),
    HRX_0233: (AGENTS[HRX_0233],),
    COMBINATION: (AGENTS[BINIMETINIB], AGENTS[HRX_0233]),
}
EXPECTED_SIGNS = {
    AGENTS[BINIMETINIB].name: ExpectedSign.LOSS_OF_FUNCTION,
    AGENTS[HRX_0233].name: ExpectedSign.WILD_TYPE,
}
PLAN = {
    "control": VEHICLE,
    "combinations": [{"arm": COMBINATION, "parts": [BINIMETINIB, HRX_0233]}],
    "primary": {"estimand": "slope"},
    "day": TRUTH_DAY,
    "window": [0, TRUTH_DAY],
    "dosing": [0, TRUTH_DAY],
    "endpoint": {"fold": 4},
    "alpha": 0.05,
    "biomarker": "map2k4",
    "expected_sign": {
        BINIMETINIB: str(ExpectedSign.LOSS_OF_FUNCTION),
        HRX_0233: str(ExpectedSign.WILD_TYPE),
    },
    "lod_mm3": LIMITS.lod_mm3,
    "random_seed": SEED,
}
TARGET = {
    "tgi_percent": 60,
    "power": 0.8,
    "alpha": 0.05,
    "source": "illustrative: power of an arm's slope against the vehicle's under the default variability",
}


@dataclass(frozen=True)
class DemoCall:
    """One genotype call of a PDX model."""

    gene: str
    functional_class: FunctionalClass
    variant: str = ""
    assay: str = "whole-exome sequencing"


@dataclass(frozen=True)
class DemoModel:
    """A PDX model of the demo. Its code tells no status: technicians of a blinded study see the code."""

    code: str
    tissue: str
    status: str
    diagnosis: str
    patient_sex: Sex
    patient_age_years: int
    passage: int
    map2k4: tuple[DemoCall, ...]

    @property
    def mouse_sex(self) -> Sex:
        return Sex.MALE if self.tissue == "prostate" else Sex.FEMALE


def _wild_type(gene: str = "MAP2K4") -> DemoCall:
    return DemoCall(gene, FunctionalClass.WILD_TYPE)


def _lost(variant: str, assay: str = "whole-exome sequencing") -> DemoCall:
    return DemoCall("MAP2K4", FunctionalClass.LOSS_OF_FUNCTION, variant, assay)


OTHER_GENES = tuple(_wild_type(gene) for gene in ("MAP3K1", "KRAS", "NRAS", "BRAF"))
BREAST, COLON, PROSTATE = (
    "invasive ductal carcinoma of the breast",
    "adenocarcinoma of the colon",
    "adenocarcinoma of the prostate",
)
DEMO_MODELS = (
    DemoModel("SIM-BRE-01", "breast", WILD_TYPE, BREAST, Sex.FEMALE, 57, 4, (_wild_type(),)),
    DemoModel("SIM-BRE-02", "breast", LOSS, BREAST, Sex.FEMALE, 63, 3, (_lost("p.Arg134Trp"),)),
    DemoModel(
        "SIM-COL-01", "colon", LOSS, COLON, Sex.MALE, 71, 5,
        (_lost("homozygous deletion"), _lost("protein absent", "immunohistochemistry")),
    ),
    DemoModel("SIM-COL-02", "colon", WILD_TYPE, COLON, Sex.FEMALE, 66, 4, (_wild_type(),)),
    DemoModel("SIM-PRO-01", "prostate", WILD_TYPE, PROSTATE, Sex.MALE, 69, 3, (_wild_type(),)),
    DemoModel("SIM-PRO-02", "prostate", LOSS, PROSTATE, Sex.MALE, 74, 4, (_lost("p.Gln142*"),)),
)  # fmt: skip
MODEL_OF = {model.code: model for model in DEMO_MODELS}


def declared_design() -> Design:
    """The truth all of the demo is drawn from: six models, four arms, ratio TGI exactly `TRUE_TGI`."""
    places = dict.fromkeys(TRUE_TGI, 0)
    truths = []
    for model in DEMO_MODELS:
        place = places[model.status]
        places[model.status] += 1
        slopes = {arm: deviations[place] for arm, deviations in DEVIATIONS.items()}
        truths.append(PdxModelTruth(model.code, model.status, slopes, tumor_type=model.tissue))
    design = Design(tuple(truths), ARM_TRUTHS, MICE_PER_ARM, DAYS, COMPLETED, VARIATION, LIMITS)
    for status, arms in TRUE_TGI.items():
        design = with_fold(design, VEHICLE, CONTROL_FOLD, TRUTH_DAY, status)
        for arm, percent in arms.items():
            design = with_tgi(design, arm, percent, TRUTH_DAY, status)
    return design
