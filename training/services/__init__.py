"""What training writes: each service checks, changes and logs in one transaction."""
