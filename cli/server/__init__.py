"""The processes of `scimlite serve`: gunicorn with a worker, and the work of each process, of our own."""
