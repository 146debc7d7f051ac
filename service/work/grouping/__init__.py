"""Near-duplicate groups of a project: new images, thresholds that are frozen, groups that come apart or are made anew.

Offers `contradictions.take_apart`, `fingerprints.fingerprint_batch`, `new_images.group_new`, `regrouping.regroup`,
`rules.rule_in_force`.
"""
