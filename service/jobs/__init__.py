"""Asks for jobs, and what each is given.

Offers `arguments.Arguments`, `arguments.CompareArguments`, `arguments.DecisionByHand`, `arguments.EnginesArguments`,
`arguments.GroupArguments`, `arguments.LearnArguments`, `arguments.PromoteArguments`, `arguments.ReviewArguments`,
`arguments.SelectArguments`, `arguments.read_arguments`, `arguments.stored_arguments`, `engine_requests.EngineRequest`,
`engine_requests.MOST_ENGINES`, `engine_requests.MOST_IMAGES`, `engine_requests.MOST_PILOT`,
`engine_requests.ReportKind`, `jobs.APPLICATION`, `jobs.APPLICATION_VERSION`, `jobs.Begun`, `jobs.JobStatus`,
`jobs.Jobs`, `jobs.QUEUES`.
"""
