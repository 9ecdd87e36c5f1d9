"""What agents do: each role has `routes(agent)`, which gives its routes and sets its checks up."""
