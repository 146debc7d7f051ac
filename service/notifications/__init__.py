"""Who is sent which messages, and how.

Offers `sending.deliver`, `summary.Measured`, `summary.Person`, `summary.Week`, `summary.Words`, `summary.alarm_words`,
`summary.weekly_words`, `targets.Target`, `targets.Wanted`, `targets.Webhook`, `targets.has_targets`,
`targets.load_messages`, `targets.message_secret`, `targets.secret_for`.
"""
