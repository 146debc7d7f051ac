"""Model servers by HTTP: the client, chat models on it, and what a server is able to do.

Offers `chat_models.chat_model`, `client.EndpointClient`, `probing.probe_chat`, `probing.probe_decide`,
`sent_along.REFERENCE`.
"""
