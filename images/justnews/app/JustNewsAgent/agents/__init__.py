"""Reference agents of the JustNews appliance: small programs that do a tiny real job end to end."""
