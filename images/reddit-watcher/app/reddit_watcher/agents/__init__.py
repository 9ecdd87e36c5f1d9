"""The programs: `python3 -m reddit_watcher.agents.NAME`."""
