"""What is held true of images: labels, soft labels, decisions of leads, snapshots.

Offers `decisions`, `decisions.ADJUDICATION`, `decisions.CORRECTION`, `decisions.Decision`, `labels`, `labels.DISPUTED`,
`labels.Label`, `labels.NewLabel`, `labels.OPEN`, `labels.UNDECIDED`, `labels.is_current_label`, `labels.newest_ids`,
`snapshots`, `snapshots.NewSnapshot`, `snapshots.Snapshot`, `soft_labels`, `soft_labels.EnginePrediction`,
`soft_labels.SoftLabel`.
"""
