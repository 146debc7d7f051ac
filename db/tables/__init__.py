"""Every table, as facts that are appended, not flags that must be kept true.

What state an image is in is a question over these rows (`db/repositories/images/images.py` asks it): *registered* =
no fetch yet; *fetched* = no prelabel or group yet; *ready*; *asked* = a review that is open; *answered* = a
label. Exactly-once comes from the unique keys below. Rows that are pure cache say so.

Offers `AdoptedTaskRow`, `AlarmEndRow`, `AlarmRow`, `AlarmWordsRow`, `AnnotationRow`, `AnnotatorRow`,
`AnnotatorSwitchRow`, `ApiKeyRow`, `AuditRow`, `Base`, `CalibrationRow`, `CallRow`, `CanaryRow`, `CertificateAuditRow`,
`CertificateEndRow`, `CertificateRow`, `CertificateTermsRow`, `CertifiedImageRow`, `ComparisonRow`, `DecisionRow`,
`DeletionRow`, `DeliveryRow`, `EmbeddingRow`, `EngineReportRow`, `EngineStageRow`, `ExcludedImageRow`, `FailureRow`,
`FetchRow`, `FigureRow`, `FingerprintRow`, `GroupMoveRow`, `GroupRow`, `GroupingRow`, `HeartbeatRow`, `ImageCheckRow`,
`ImageRow`, `ImportedSampleRow`, `InboxRow`, `LabelCheckRow`, `LabelRow`, `LabelStudioProjectRow`, `LeftoverRow`,
`MessageRow`, `OverlapRow`, `PageSessionRow`, `PredictionFileRow`, `PredictionRow`, `PrelabelRow`, `ProbeRow`,
`ProjectConfigRow`, `ProjectRow`, `PromotionRow`, `PushRow`, `QueryBasisRow`, `QueryRow`, `ReReviewPlanRow`,
`ReReviewRequestRow`, `ReReviewRow`, `RegionRow`, `RegistrationGoneRow`, `RegistrationRow`, `ReserveRow`,
`ReviewEndRow`, `ReviewRow`, `ShadowPickRow`, `SnapshotRow`, `SoftLabelRow`, `SourceRow`, `SpendRow`, `TallyRow`,
`TombstoneRow`, `VersionRow`, `ViewRow`, `VoidRow`, `WithdrawalRow`.
"""

from __future__ import annotations

from db.tables.base import *  # noqa: F403
from db.tables.certificates import *  # noqa: F403
from db.tables.deletions import *  # noqa: F403
from db.tables.engines import *  # noqa: F403
from db.tables.images import *  # noqa: F403
from db.tables.people import *  # noqa: F403
from db.tables.projects import *  # noqa: F403
from db.tables.queries import *  # noqa: F403
from db.tables.re_reviews import *  # noqa: F403
from db.tables.reviews import *  # noqa: F403
from db.tables.running import *  # noqa: F403
from db.tables.versions import *  # noqa: F403
