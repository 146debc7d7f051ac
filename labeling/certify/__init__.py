"""What a certificate promises, in numbers: answers to a uniform sample in, what may be accepted without people out."""
