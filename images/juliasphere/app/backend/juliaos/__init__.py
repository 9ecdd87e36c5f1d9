"""Reference back end of JuliaOS: agents in PostgreSQL, cached and locked in Redis, run as a swarm."""
