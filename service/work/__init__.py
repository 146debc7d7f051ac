"""The worker: jobs as durable workflows, their schedules, and what their steps work with.

Offers `wiring.Parts`, `wiring.make_parts`, `worker.running_worker`, `worker.worker_lock`.
"""
