"""What a person is asked and how: kinds of review, queue, overlap, Label Studio formats.

Offers `answer_errors.Pair`, `answer_errors.levelled`, `answer_errors.usual_error`, `config`, `config.choices_in`,
`config.labelling_config`, `consensus.Vote`, `consensus.cast`, `consensus.consensus`, `consensus.shares`,
`controls.Controls`, `controls.Foreign`, `controls.OURS`, `controls.read_config`, `events.ACTIONS`, `events.Answer`,
`events.newest`, `events.parse_answer`, `events.parse_hint`, `expected_cost.expected_damage`, `hint_text.Hint`,
`hint_text.reason_line`, `hint_text.top_line`, `kinds.Split`, `kinds.Use`, `kinds.blind_always`, `kinds.kinds_for`,
`kinds.may_teach`, `kinds.may_use`, `kinds.split_of`, `label_sets.Change`, `label_sets.Comparison`, `label_sets.Entry`,
`label_sets.compare`, `label_sets.entry_of`, `label_sets.line_of`, `label_sets.state_hash`, `next_action.ACTIONS`,
`next_action.Action`, `next_action.Candidates`, `next_action.HOUR_S`, `next_action.after_engine`,
`next_action.correction_teaches`, `next_action.label_teaches`, `next_action.rank`, `next_action.second_answer`,
`next_action.seconds_worth_asking`, `overlap.Answered`, `overlap.BY_DOUBT`, `overlap.choose`, `overlap.error_rates`,
`overlap.odds`, `overlap.second_answers`, `overlap.second_answers_by_worth`, `overlap.wrong`, `payloads`,
`payloads.NO_HINT`, `payloads.Suggestion`, `payloads.is_as_sent`, `payloads.suggested`, `queue.InQueue`, `queue.order`,
`queue.scores`, `re_reviews.ANSWERS`, `re_reviews.Outcome`, `re_reviews.outcome_of`, `stopping.Progress`,
`stopping.Rule`, `stopping.rules`, `stopping.stopped_by`.
"""
