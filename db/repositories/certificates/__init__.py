"""What machine labels were promised: certificates with their terms, and what their sets may hold.

Offers `adjudicated.adjudicated`, `audits`, `audits.Audited`, `audits.Result`, `certificates`, `certificates.Accepted`,
`certificates.Certificate`, `certificates.Excluded`, `certificates.NewCertificate`, `certificates.Terms`, `sets`.
"""
