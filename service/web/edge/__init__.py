"""What holds for every request: access, limits, log.

Offers `access.ACCESS`, `access.COOKIE`, `access.CallerDep`, `access.Guarded`, `access.How`, `access.ProjectDep`,
`access.check_table`, `access.identified`, `access.session_of`, `access.visible`, `limits.BodyLimits`,
`limits.PatientProtocol`, `network_address.proxies_of`, `problems.Described`, `problems.ERRORS`, `request_log.Edge`,
`request_log.request_id`.
"""
