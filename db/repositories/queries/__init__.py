"""What is asked next: queries, the ready images, gold, examples to learn from.

Offers `examples`, `examples.fingerprint`, `examples.last_label_id`, `examples.read_examples`,
`examples.unready_labels`, `gold`, `gold.KnownAnswer`, `pool.PoolRow`, `pool.count_ready`, `pool.count_texts`,
`pool.read_pool`, `pool.state_of_pool`, `queries`, `queries.NewQuery`, `queries.NewReview`.
"""
