"""A trained network in other forms, each compared with the first before it is kept."""
