"""Every table, as facts that are appended, not flags that must be kept true.

What state an image is in is a question over these rows (`db/repositories/images/images.py` asks it): *registered* =
no fetch yet; *fetched* = no prelabel or group yet; *ready*; *asked* = a review that is open; *answered* = a
label. Exactly-once rests on the unique keys below. Rows that are pure cache say so.
"""

from __future__ import annotations

from db.tables.base import Base, UtcDateTime
from db.tables.engines import (
    CalibrationRow,
    CallRow,
    CanaryRow,
    EngineReportRow,
    EngineStageRow,
    ProbeRow,
    SpendRow,
)
from db.tables.images import (
    EmbeddingRow,
    FetchRow,
    GroupRow,
    ImageRow,
    PrelabelRow,
    RegistrationGoneRow,
    RegistrationRow,
    SourceRow,
)
from db.tables.people import (
    AdoptedTaskRow,
    AlarmEndRow,
    AlarmRow,
    AnnotatorSwitchRow,
    DecisionRow,
    DeliveryRow,
    LabelCheckRow,
    MessageRow,
    OverlapRow,
    SnapshotRow,
    SoftLabelRow,
    VoidRow,
)
from db.tables.projects import (
    ProjectConfigRow,
    ProjectRow,
)
from db.tables.reviews import (
    AnnotationRow,
    AnnotatorRow,
    InboxRow,
    LabelRow,
    LabelStudioProjectRow,
    PushRow,
    QueryRow,
    RegionRow,
    ReviewEndRow,
    ReviewRow,
    SeenRow,
)
from db.tables.running import (
    ApiKeyRow,
    AuditRow,
    FailureRow,
    HeartbeatRow,
    TallyRow,
)
from db.tables.versions import (
    FigureRow,
    PredictionFileRow,
    PredictionRow,
    PromotionRow,
    VersionRow,
)

__all__ = [
    "AdoptedTaskRow",
    "AlarmEndRow",
    "AlarmRow",
    "AnnotationRow",
    "AnnotatorRow",
    "AnnotatorSwitchRow",
    "ApiKeyRow",
    "AuditRow",
    "Base",
    "CalibrationRow",
    "CallRow",
    "CanaryRow",
    "DecisionRow",
    "DeliveryRow",
    "EmbeddingRow",
    "EngineReportRow",
    "EngineStageRow",
    "FailureRow",
    "FetchRow",
    "FigureRow",
    "GroupRow",
    "HeartbeatRow",
    "ImageRow",
    "InboxRow",
    "LabelCheckRow",
    "LabelRow",
    "LabelStudioProjectRow",
    "MessageRow",
    "OverlapRow",
    "PredictionFileRow",
    "PredictionRow",
    "PrelabelRow",
    "ProbeRow",
    "ProjectConfigRow",
    "ProjectRow",
    "PromotionRow",
    "PushRow",
    "QueryRow",
    "RegionRow",
    "RegistrationGoneRow",
    "RegistrationRow",
    "ReviewEndRow",
    "ReviewRow",
    "SeenRow",
    "SnapshotRow",
    "SoftLabelRow",
    "SourceRow",
    "SpendRow",
    "TallyRow",
    "UtcDateTime",
    "VersionRow",
    "VoidRow",
]
