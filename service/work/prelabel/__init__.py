"""Lets engines predict images, escalates uncertain ones, calibrates.

Offers `calibrate.Sample`, `calibrate.calibrate`, `calibrate.fit`, `calibrate.read_by`, `calibrate.said_of`,
`calibrate.sample_of`, `engine_inputs.as_known`, `engine_inputs.items_for`, `escalate`, `inference.InferenceResult`,
`inference.item_of`, `inference.open_images`, `inference.run_inference`, `prelabel`.
"""
