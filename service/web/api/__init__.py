"""One router for each part of the API; the app finds them here.

Offers `alarms.end`, `audit.AuditFilters`, `audit.AuditFiltersDep`, `images.Issue`, `images.Number`, `jobs.JobOut`,
`jobs.ask_by_hand`, `machine_labels.AtLeast`, `machine_labels.Form`, `machine_labels.Images`, `machine_labels.download`,
`re_reviews.request_more`, `suspects.Deed`, `suspects.MOST`, `suspects.handle`, `team.AnnotatorId`, `team.Deed`,
`versions.decide`.
"""
