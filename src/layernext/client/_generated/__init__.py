"""The twin of the client for asyncio, written by tools/generate_async_client.py."""
