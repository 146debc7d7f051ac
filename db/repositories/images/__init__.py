"""Where images come from and which there are: sources, registrations, images, tasks that were adopted.

Offers `adopted_tasks`, `adopted_tasks.NewTask`, `adopted_tasks.Ready`, `images`, `images.FETCH`, `images.NewImage`,
`images.Waiting`, `progress`, `registrations`, `registrations.Registered`, `registrations.differs`,
`registrations.known`, `registrations.register`, `sources`, `sources.Source`.
"""
