"""Model files and networks: found, checked, loaded, compiled.

Offers `backbone_files.load_backbone`, `backbone_files.load_sentences`, `checkpoints.stay_offline`,
`classifier_files.load_image_classifier`, `generative_files.hardware_for`, `generative_files.load_language_model`,
`generative_files.load_picture_model`, `image_networks.load_bundled_images`, `model_files`, `model_files.kept_vectors`,
`model_files.load_bundled_sentences`, `model_files.load_dual_encoder`, `region_files.load_region_finder`.
"""
