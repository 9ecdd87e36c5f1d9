"""What all agents share: settings, HTTP, metrics, the database, the cache and the bus."""
