"""What is fitted on features.

Offers `from_function.HeadFromFunction`, `heads.HEADS`, `logistic.LOGISTIC`, `logistic.Logistic`.
"""
