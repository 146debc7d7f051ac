"""`hardcase up` and `doctor`, and the embedded Label Studio.

Offers `doctor.examine`, `label_studio_server.ADMIN_EMAIL`, `label_studio_server.label_studio_child`,
`label_studio_server.post_form`, `private_files.close_to_others`, `up.Supervisor`, `up.children_of`, `up.wait_for`.
"""
