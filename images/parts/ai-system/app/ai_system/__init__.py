"""The reference agents of the AI system: one program, `python3 -m ai_system.agent NAME`, many roles."""
