"""What runs inside a measured process of its own; each writes values.json."""
