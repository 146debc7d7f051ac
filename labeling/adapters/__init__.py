"""Offers `tls.tls_context`.

Offers `tls.tls_context`.
"""
