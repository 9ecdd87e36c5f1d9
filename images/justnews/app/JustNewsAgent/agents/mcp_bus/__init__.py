"""The bus: where agents register, and the front door of the appliance."""
