"""What people are asked and what they answered, as Label Studio has it.

Offers `annotations`, `annotations.CurrentAnnotation`, `annotations.NewAnnotation`, `annotations.VoteRow`,
`displayed_predictions`, `displayed_predictions.Order`, `displayed_predictions.Shown`, `inbox`, `inbox.Event`,
`label_studio`, `label_studio.Place`, `overlaps`, `overlaps.Asked`, `overlaps.TooFewPeople`, `overlays`, `re_reviews`,
`re_reviews.Drawn`, `re_reviews.Plan`, `re_reviews.ReReview`, `reviews`, `reviews.CLOSING`, `reviews.Review`,
`reviews.answered_people`, `reviews.has_ended`, `reviews.is_current`, `reviews.is_open`, `reviews.is_valid`.
"""
