"""`hardcase up` and `doctor`, and the embedded Label Studio.

Offers `deep.Deep`, `deep.examine_deep`, `doctor.examine`, `kept.Ground`, `label_studio_server.ADMIN_EMAIL`,
`label_studio_server.label_studio_child`, `label_studio_server.post_form`, `private_files.close_to_others`,
`processes.check_port`, `processes.only_one`, `processes.read_processes`, `soundness.lost_of_database`,
`soundness.refuse_damaged`, `up.Supervisor`, `up.answers`, `up.children_of`, `up.telling`.
"""
