"""What Label Studio sends us and fetches from us: webhooks, media, ML backend, adopted projects.

Offers `adopted_tasks.KEPT`, `adopted_tasks.STUDIO`, `adopted_tasks.controls_of`, `adopted_tasks.studio_path`,
`adopted_tasks.take_in`, `inbox_drain.InboxDrain`, `ml_backend.path_of`, `ml_backend.project_in`,
`signed_urls.LONGEST_LIFE`, `signed_urls.expiry_of`, `signed_urls.key_id`, `signed_urls.sign_media`,
`signed_urls.sign_picture`, `signed_urls.sign_region`, `signed_urls.verify_media`, `spool.Spool`, `takeover.TakingOver`,
`webhook.HEADER`, `webhook.digest_of`, `webhook.is_secret`, `webhook.path_of`, `webhook.secret_of`.
"""
