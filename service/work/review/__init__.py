"""Brings reviews to Label Studio and answers back.

Offers `adopt.adopt_batch`, `push.Queue`, `push.push`, `push.read_queue`, `shown_order.unlike_sent`,
`shown_order.without_prediction`, `sync.sync`.
"""
