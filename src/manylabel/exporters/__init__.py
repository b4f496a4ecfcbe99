"""A trained model in other forms, each compared with the first before it is kept."""
