"""What is looked for in photos and labels before anything learns, a file per kind of finding."""
