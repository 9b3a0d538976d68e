"""What handlers ask for by type: the stack's store and settings."""

from __future__ import annotations

from typing import TypeAlias

from litestar.di import NamedDependency

from layernext.stack.settings import Settings
from layernext.stack.store import Store

TheStore: TypeAlias = NamedDependency[Store]
TheSettings: TypeAlias = NamedDependency[Settings]
