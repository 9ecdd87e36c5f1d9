"""The A2A protocol: agent cards, messages, and where the agents are."""
