"""communication-service: messages between accounts, and from the services to accounts."""
