"""How annotators do, as steps of the jobs, and pauses by the rule.

Offers `drift.people_over_time`, `team.refresh_team`.
"""
