"""What the four services share: settings, their stores, who asks, where the others are."""
