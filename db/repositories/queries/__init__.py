"""What is asked next: queries, the ready images, gold, examples to learn from.

Offers `bases`, `bases.Asked`, `bases.Kept`, `comparisons`, `comparisons.Comparison`, `examples`, `examples.AsOf`,
`examples.examples_of_labels`, `examples.fingerprint`, `examples.now_of`, `examples.read_examples`,
`examples.unready_labels`, `gold`, `gold.KnownAnswer`, `image_places.Place`, `image_places.place_of`,
`imported_samples`, `pool`, `pool.PoolRow`, `pool.count_ready`, `pool.count_texts`, `pool.read_pool`,
`pool.state_of_pool`, `queries`, `queries.NewQuery`, `queries.NewReview`, `stream`, `stream.Stream`,
`stream.is_reserved`, `stream.share_in_force`, `stream.was_drawn`.
"""
