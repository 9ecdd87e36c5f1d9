"""What is outside: Reddit, Gemini, SMTP, Slack. Each may be missing, and each may fail."""
