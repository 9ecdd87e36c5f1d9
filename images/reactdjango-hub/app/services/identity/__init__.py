"""identity-service: accounts, log in, tokens of users and services, and whether a token is good."""
