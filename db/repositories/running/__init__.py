"""How the installation runs: failures, heartbeats, alarms, messages.

Offers `alarms`, `alarms.Alarm`, `alarms.AlarmKind`, `failures`, `failures.CONTRADICTION`, `failures.REGISTER`,
`failures.has_no_tries_left`, `heartbeats`, `messages`, `messages.Message`, `messages.NewMessage`.
"""
