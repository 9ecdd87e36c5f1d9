"""Reddit Technical Watcher: five agents that find, judge, summarise and announce posts."""
