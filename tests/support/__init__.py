"""What tests share: servers, stores, strategies, sources."""
