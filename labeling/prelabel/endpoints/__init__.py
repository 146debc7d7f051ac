"""Engines behind a model server: prompts, conversation, tools, answers, prices.

Offers `agent.ChatBackend`, `backends.Abilities`, `backends.BackendEngine`, `backends.Recorder`, `backends.Wire`,
`decide.DecideBackend`, `decide.ask_decision`, `endpoint.CallBook`, `endpoint.Endpoint`, `endpoint.Limits`,
`endpoint.Price`, `endpoint.Question`, `endpoint.Reply`, `endpoint.Sent`, `pricing.bound_micro`, `pricing.cost_micro`,
`prompt.Part`, `prompt.content_of`, `reasoning.REASONING_TOKENS`, `reasoning.spoken`, `reasoning.without_thoughts`,
`untrusted_text`, `untrusted_text.clean`.
"""
