"""Likelihoods of labels under a language model.

Offers `language.LanguageModel`, `language.Scored`, `language.label_lines`, `language.raw_answer`, `language.spoken`,
`likelihood.Prefix`, `likelihood.calibrated`.
"""
