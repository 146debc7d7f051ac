"""From vectors to class probabilities without training.

Offers `conse.NEAREST`, `conse.TEMPERATURE`, `conse.conse`, `nearest.nearest_others`, `projection.FOLDS`,
`projection.LEAST_TEXTS`, `projection.PENALTY`, `projection.combine`, `projection.fit_projection`, `templates.CAPTIONS`,
`templates.SENTENCES`, `templates.texts_by_label`.
"""
