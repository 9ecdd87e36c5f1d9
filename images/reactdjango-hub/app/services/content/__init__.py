"""content-service: documents, each seen by its owner alone."""
