"""The record, one aggregate a file."""

from .allocation import Allocation, Randomization, SyringeCode
from .api_token import ApiToken
from .arm import Agent, Arm, ArmAgent
from .audit import AuditEvent, AuditHead
from .blinding import ArmMask, Reveal
from .dosing import AgentLot, Dose, Formulation
from .entry import Device, EntryLimits, ParkedRow, SubmittedSheet
from .job import Job, JobWorker
from .letter import Letter
from .measurement import ImportBatch, Measurement, MeasurementSession
from .mouse import Cage, CageMove, Cohort, Exclusion, Exit, Mouse, Tumor
from .pdx_model import GenotypeCall, Passage, Patient, PatientSample, PdxModel, StatusOverrule
from .people import StudyMembership, User
from .protocol import Amendment, Deviation, StudyPdxModel, StudyTemplate
from .signature import Signature, SigningFailures
from .stored_report import ReportFile, StoredReport
from .study import AnalysisPlan, ExpectedSignDeclaration, Study, WelfareLimits
from .tablet import EntryKey, Shift, Tablet
from .unlock import Unlock, UnlockedReading
from .welfare import AlertAnswer, MouseSample, Photo, WelfareAlert

__all__ = [
    "Agent",
    "AgentLot",
    "AlertAnswer",
    "Allocation",
    "Amendment",
    "AnalysisPlan",
    "ApiToken",
    "Arm",
    "ArmAgent",
    "ArmMask",
    "AuditEvent",
    "AuditHead",
    "Cage",
    "CageMove",
    "Cohort",
    "Deviation",
    "Device",
    "Dose",
    "EntryKey",
    "EntryLimits",
    "Exclusion",
    "Exit",
    "ExpectedSignDeclaration",
    "Formulation",
    "GenotypeCall",
    "ImportBatch",
    "Job",
    "JobWorker",
    "Letter",
    "Measurement",
    "MeasurementSession",
    "Mouse",
    "MouseSample",
    "ParkedRow",
    "Passage",
    "Patient",
    "PatientSample",
    "PdxModel",
    "Photo",
    "Randomization",
    "ReportFile",
    "Reveal",
    "Shift",
    "Signature",
    "SigningFailures",
    "StatusOverrule",
    "StoredReport",
    "Study",
    "StudyMembership",
    "StudyPdxModel",
    "StudyTemplate",
    "SubmittedSheet",
    "SyringeCode",
    "Tablet",
    "Tumor",
    "Unlock",
    "UnlockedReading",
    "User",
    "WelfareAlert",
    "WelfareLimits",
]
