"""The ready images of a project, what is predicted of them, and the labels to learn from.

Offers `champion.ChampionPredictions`, `champion.champion_predictions`, `champion.stored_predictions`,
`champion.version_predictions`, `engine_predictions.EnginePredictions`, `engine_predictions.code_of`, `pool.EnginePin`,
`pool.Pool`, `pool.load_pool`, `pool.pin_of`, `pool.pool_of`, `predicted.contradicted`, `predicted.first_answers`,
`predicted.likeliest`, `predicted.predicted_before`, `predicted.when_asked`, `predictions.CurrentPredictions`,
`predictions.ImagePrediction`, `predictions.current_predictions`, `predictions.predictions_of_images`,
`random_stream.Cohort`, `random_stream.Sample`, `random_stream.order_of`, `random_stream.read_sample`,
`recipes.REFERENCE_IMAGES`, `recipes.head_named`, `recipes.recipe_of`, `recipes.reference_rows`,
`saved_versions.check_files`, `saved_versions.folder_of`, `saved_versions.hash_of_card`,
`saved_versions.load_classifier`, `saved_versions.pin_of_card`, `strategies.strategy_named`, `strategies.strategy_of`,
`training_set.read_snapshot`, `training_set.rebuild_snapshot`, `training_set.training_examples`,
`training_set.truth_now`, `training_set.truth_of`, `votes.read_votes`.
"""
