"""`hardcase demo`: images, simulated annotators, a report.

Offers `images.prepare_images`, `play.run_demo`.
"""
