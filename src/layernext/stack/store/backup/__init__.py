"""What backups, restores and checks read and write."""
