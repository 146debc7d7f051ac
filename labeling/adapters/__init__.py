"""

Offers `tls.tls_context`.
"""
