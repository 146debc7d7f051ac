"""`hardcase demo`: images, simulated annotators, a report.

Offers `play.run_demo`.
"""
