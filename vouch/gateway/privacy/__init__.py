"""Personal data and secrets in text: finding them, and keeping them from models that are not the organisation's own."""
