"""Where capture, rules, views and proof meet: measure, explain, compare, verify."""

from perfkit.capture.saved_profile import ProfileFileError
from perfkit.session.attaching import PySpyError, record_process
from perfkit.session.comparing import Comparison, VerificationResult, compare, verify, verify_async
from perfkit.session.connecting import shop_engine
from perfkit.session.diagnosing import diagnose
from perfkit.session.explaining import explain, explain_script
from perfkit.session.measurement import Measurement, MeasurementNotEndedError, PlanMode
from perfkit.session.measuring import CpuEngine, measure
from perfkit.session.pasting import read_plan
from perfkit.session.plan_comparison import PlanComparison
from perfkit.session.profile_files import checked_target, read_profile
from perfkit.session.result import MIME_TRACE, MIME_VERIFICATION, Result, load, save
from perfkit.session.side_by_side import MemoryDiff, ProfileDiff
from perfkit.session.slow_log import SlowLog, log_slow
from perfkit.views.block import Focus

__all__ = [
    "MIME_TRACE",
    "MIME_VERIFICATION",
    "Comparison",
    "CpuEngine",
    "Focus",
    "Measurement",
    "MeasurementNotEndedError",
    "MemoryDiff",
    "PlanComparison",
    "PlanMode",
    "ProfileDiff",
    "ProfileFileError",
    "PySpyError",
    "Result",
    "SlowLog",
    "VerificationResult",
    "checked_target",
    "compare",
    "diagnose",
    "explain",
    "explain_script",
    "load",
    "log_slow",
    "measure",
    "read_plan",
    "read_profile",
    "record_process",
    "save",
    "shop_engine",
    "verify",
    "verify_async",
]
