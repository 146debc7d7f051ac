"""Whether a candidate becomes the champion.

Offers `flips.Answers`, `flips.Flips`, `flips.find_flips`, `judgement.Judgement`, `judgement.Sample`,
`judgement.difference`, `judgement.judge`, `judgement.sample_for`, `out_of_fold.Predictor`,
`out_of_fold.learns_without`, `out_of_fold.out_of_fold`, `paired_test.PairedTest`, `paired_test.paired_test`.
"""
