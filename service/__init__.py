"""The shell of hardcase: web, worker, command line. Settings, secrets and processes live here."""
