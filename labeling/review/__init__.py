"""What a person is asked and how: kinds of review, queue, overlap, Label Studio formats.

Offers `answer_errors.Pair`, `config`, `config.choices_in`, `config.labelling_config`, `consensus.Vote`,
`consensus.cast`, `consensus.consensus`, `consensus.shares`, `controls.Controls`, `controls.Foreign`, `controls.OURS`,
`controls.read_config`, `events.ACTIONS`, `events.Answer`, `events.newest`, `events.parse_answer`, `events.parse_hint`,
`expected_cost.expected_damage`, `hint_text.Hint`, `hint_text.reason_line`, `hint_text.top_line`, `kinds.Split`,
`kinds.Use`, `kinds.blind_always`, `kinds.kinds_for`, `kinds.may_teach`, `kinds.may_use`, `kinds.split_of`,
`label_sets.Change`, `label_sets.Comparison`, `label_sets.Entry`, `label_sets.compare`, `label_sets.entry_of`,
`label_sets.line_of`, `label_sets.state_hash`, `overlap.Answered`, `overlap.BY_DOUBT`, `overlap.choose`,
`overlap.error_rates`, `overlap.second_answers`, `payloads`, `payloads.NO_HINT`, `payloads.Suggestion`,
`payloads.is_as_sent`, `payloads.suggested`, `queue.InQueue`, `queue.order`, `queue.scores`, `re_reviews.ANSWERS`,
`re_reviews.Outcome`, `re_reviews.outcome_of`, `stopping.Progress`, `stopping.Rule`, `stopping.rules`,
`stopping.stopped_by`.
"""
