"""Which kinds of engine there are, what a project uses, which endpoints may be asked.

Offers `allowed_models.check_engines`, `allowed_models.check_models`, `egress.check_endpoint`, `egress.check_target`,
`egress.is_local_address`, `egress.log_sending`, `endpoints_file.endpoint_key`, `endpoints_file.endpoint_secret`,
`endpoints_file.load_endpoints`, `kinds.KINDS`, `kinds.KindState`, `kinds.kind_of`, `kinds.kinds`,
`overview.EngineInUse`, `overview.overview`, `overview.work_of`.
"""
