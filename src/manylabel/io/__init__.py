"""Files and folders that are complete or absent, the cache, and files that anybody may have made."""
