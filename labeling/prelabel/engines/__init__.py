"""One file for each kind of engine that runs here.

Offers `bundled.BundledEngine`, `bundled.KnownClasses`, `bundled.known_class_text`, `described.DescribedEngine`,
`dual_encoder.DualEncoder`, `dual_encoder.DualEncoderEngine`, `few_shot.FewShotEngine`, `generative.GenerativeEngine`,
`generative.PictureModel`, `image_classifier.ImageClassifierEngine`, `image_classifier.TrainedClassifier`,
`projected.ProjectedEngine`, `scripted.ScriptedEngine`.
"""
