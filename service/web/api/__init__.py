"""One router for each part of the API; the app finds them here.

Offers `alarms.end`, `images.Number`, `jobs.JobOut`, `jobs.ask_by_hand`, `problems.ProblemOut`, `suspects.Deed`,
`suspects.MOST`, `suspects.handle`, `team.AnnotatorId`, `team.Deed`.
"""
