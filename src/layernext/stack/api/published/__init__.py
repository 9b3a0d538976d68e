"""The routes of the published protocol."""

from layernext.stack.api.published import annotations, collections, labels, operation_data

ROUTES = [*collections.ROUTES, *labels.ROUTES, *operation_data.ROUTES, *annotations.ROUTES]

__all__ = ["ROUTES"]
