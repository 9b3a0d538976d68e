"""The client's calls in groups, one noun a file: `client.datasets.create`, `client.jobs.wait`."""
