"""Images by the class that they are likely of.

Offers `class_balanced.ClassBalanced`, `rare_class.RareClass`.
"""
