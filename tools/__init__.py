"""What developers of manylabel run; no part of the package."""
