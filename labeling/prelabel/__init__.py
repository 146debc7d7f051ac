"""Zero-shot engines: what an engine is, how its probabilities are calibrated, when another one is asked.

Offers `calibration.Terms`, `calibration.calibrated`, `calibration.calibrated_answers`, `calibration.fit_stated`,
`calibration.fit_terms`, `calibration.read_terms`, `engine.Engine`, `engine.EngineOrder`, `engine.Growing`,
`engine.Item`, `engine.Look`, `engine.Shot`, `engine.Vectors`, `engine.check_look`, `engine.digest_of`,
`engine.doublings`, `engine.encode_present`, `engine.no_vectors`, `engine.revision_of`, `escalation.affordable`,
`escalation.disagreement`, `escalation.named`, `escalation.who_goes_on`, `picture_size.OpenPicture`,
`picture_size.PictureSize`, `picture_size.WHOLE`, `picture_size.picture_size`, `picture_size.size_for`.
"""
