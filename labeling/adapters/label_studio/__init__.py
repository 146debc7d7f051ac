"""Label Studio by its SDK and by HTTP, with retries and a circuit breaker.

Offers `client.Changed`, `client.LabelStudio`, `client.ProjectSettings`, `client.StudioProject`, `client.StudioTask`,
`http.is_personal_token`.
"""
