"""Fits the fused classifier: snapshot of labels, training, temperature, artifacts.

Offers `artifacts.CARD`, `artifacts.Card`, `artifacts.Facts`, `artifacts.WEIGHTS`, `artifacts.pack`, `artifacts.unpack`,
`calibration.LABELS_TO_FIT`, `calibration.LABELS_TO_SHOW`, `calibration.fit_calibration`, `calibration.shown_probs`,
`classifier.ABSENT_LOGIT`, `classifier.Classifier`, `classifier.Dims`, `classifier.FusionKind`, `classifier.HeadKind`,
`classifier.Inputs`, `classifier.Log`, `classifier.Shapes`, `classifier.Tensors`, `ensemble.HeadEnsemble`,
`ensemble.MEMBERS`, `ensemble.bagged`, `ensemble.thinned`, `leave_one_out.Numbers`, `leave_one_out.elsewhere`,
`leave_one_out.others_by_products`, `snapshot.Snapshot`, `snapshot.make_snapshot`, `training.FusedClassifier`,
`training.fit_classifier`, `training.predict_logits`, `training.predict_probs`.
"""
