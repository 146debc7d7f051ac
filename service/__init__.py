"""The shell of hardcase: web, worker, command line. Settings, secrets and processes live here.

Offers `auth`, `auth.Caller`, `auth.PageSession`, `auth.issue_key`, `errors.Problem`, `errors.problem_of`,
`logs.get_logger`, `logs.set_up_logs`, `plugins`, `plugins.ENGINES`, `plugins.HEADS`, `plugins.STRATEGIES`,
`plugins.check_name`, `plugins.names_of`, `schema.bring_to_head`, `schema.check_schema`, `settings.MASK`,
`settings.Settings`, `settings.ensure_secret`, `settings.keep_files_private`, `settings.keep_secret`,
`settings.kept_secret`, `settings.load_settings`, `settings.prepare_home`, `written_files.Strict`,
`written_files.mistakes`, `written_files.read_file`, `written_files.read_text`, `written_yaml.Written`,
`written_yaml.read_yaml`.
"""
