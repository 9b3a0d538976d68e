"""A real server of the S3 protocol, on loopback."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest


@dataclass
class S3Server:
    """Where it is, and how to make buckets in it."""

    url: str

    @property
    def options(self) -> dict[str, str]:
        """What a store needs to reach it."""
        return {
            "endpoint": self.url,
            "access_key_id": "test",
            "secret_access_key": "test",
            "region": "us-east-1",
            "virtual_hosted_style_request": "false",
        }

    def new_bucket(self) -> str:
        """URL of a new bucket, with a prefix."""
        name = f"bucket-{secrets.token_hex(6)}"
        assert httpx.put(f"{self.url}/{name}").status_code == 200
        return f"s3://{name}/some/prefix"


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """Started once for the tests of a process."""
    from moto.server import ThreadedMotoServer  # only where a bucket is wanted

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}")
    server.stop()
