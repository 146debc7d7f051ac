"""`hardcase demo`: images, simulated annotators, a report.

Offers `annotators.SimulatedAnswers`, `images.prepare_images`, `play.run_demo`, `summary.Certified`,
`summary.MachineThreshold`, `summary.Measured`, `summary.RandomPoint`, `summary.Replayed`, `summary.Saved`.
"""
