"""Who takes part: annotators, API keys, and the audit log of what somebody did.

Offers `annotators`, `annotators.Annotator`, `annotators.everyone`, `audit`, `audit.AuditItem`, `audit.Place`,
`audit.Wanted`, `keys`, `keys.StoredKey`, `page_sessions`, `page_sessions.OpenSession`, `person_data`.
"""
