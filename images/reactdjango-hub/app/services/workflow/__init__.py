"""workflow-intelligence-service: runs over documents, whose results are sent as messages."""
