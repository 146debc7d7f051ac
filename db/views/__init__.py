"""What pages, figures and exports read: joins over the tables, nothing is written here but caches.

Offers `dashboard`, `dashboard.Figure`, `disputes`, `disputes.Dispute`, `disputes.left_to_lead`, `engine_stats`,
`engine_stats.Amount`, `engine_stats.EngineAnswer`, `engine_stats.RevisionFacts`, `engine_stats.StoredPrelabel`,
`exports`, `exports.Details`, `exports.LabelFact`, `exports.PersonAnswer`, `exports.first_references`, `figures`,
`figures.Asked`, `figures.NewFigure`, `figures.data_of`, `figures.keep`, `figures.kept_fingerprint`, `groups`,
`groups.GroupSizes`, `groups.LargeGroup`, `image_history`, `image_history.Fact`, `image_history.HIDES`,
`image_history.Task`, `image_history.Twin`, `label_audit`, `label_audit.HeldLabel`, `label_audit.Place`, `label_list`,
`label_list.Listed`, `label_list.Wanted`, `listings`, `listings.FailureItem`, `listings.ImageItem`,
`listings.ImageState`, `listings.LabelItem`, `listings.SourceItem`, `project_history`, `project_history.Answer`,
`project_history.HowFar`, `project_history.LONGEST_S`, `project_history.Named`, `project_stats`,
`project_stats.LabelCount`, `project_stats.count_images`, `project_stats.labelled_images`, `rounds`,
`rounds.PromotionItem`, `rounds.QueryItem`, `rounds.ReviewItem`, `rounds.VersionItem`, `tallies`, `undecided.Undecided`,
`undecided.UndecidedState`, `undecided.undecided`.
"""
