"""Where images come from and which there are: sources, registrations, images, their groups, tasks that were adopted.

Offers `adopted_tasks`, `adopted_tasks.NewTask`, `adopted_tasks.Ready`, `by_name.find_image`, `groups`,
`groups.ADAPTIVE`, `groups.APART`, `groups.Grouping`, `groups.KEPT`, `groups.Move`, `groups.Standing`,
`groups.TOO_MANY`, `groups.came_apart`, `groups.newest_move`, `images`, `images.FETCH`, `images.NewImage`,
`images.Waiting`, `images.is_quarantined`, `progress`, `registrations`, `registrations.Registered`,
`registrations.differs`, `registrations.known`, `registrations.register`, `sources`, `sources.Source`.
"""
