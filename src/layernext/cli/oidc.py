"""The options of `layernext serve` for signing in through an OpenID Connect provider."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from layernext.cli.stack_extra import load_stack
from layernext.errors import ConfigurationError

SECRET_VARIABLE = "LAYERNEXT_OIDC_CLIENT_SECRET"  # noqa: S105 - its name

OidcIssuer = Annotated[
    str | None,
    typer.Option(
        "--oidc-issuer",
        metavar="URL",
        help="OpenID Connect provider that people may sign in with; needs --oidc-client-id.",
    ),
]
OidcClientId = Annotated[
    str | None,
    typer.Option("--oidc-client-id", metavar="ID", help="The stack's id at the provider."),
]
OidcClientSecretFile = Annotated[
    Path | None,
    typer.Option(
        "--oidc-client-secret-file",
        help=f"File with the stack's secret at the provider. Also {SECRET_VARIABLE}.",
    ),
]
OidcDefaultRole = Annotated[
    Literal["none", "read", "write"],
    typer.Option(
        "--oidc-default-role",
        help="Role in the whole stack of people who sign in for the first time.",
    ),
]
OidcDomain = Annotated[
    list[str] | None,
    typer.Option(
        "--oidc-domain",
        metavar="DOMAIN",
        help="Let in only verified email addresses of this domain. May be repeated.",
    ),
]


def oidc_settings(
    issuer: str | None,
    client_id: str | None,
    secret_file: Path | None,
    default_role: str,
    domains: list[str] | None,
) -> Any:
    """The settings of the identity provider; None without one."""
    if issuer is None:
        if client_id is not None or secret_file is not None or domains:
            raise ConfigurationError(
                "options of OpenID Connect need a provider", hint="pass --oidc-issuer"
            )
        return None
    secret = os.environ.get(SECRET_VARIABLE) or None
    if secret_file is not None:
        try:
            secret = secret_file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigurationError(f"cannot read {secret_file}: {reason}") from error
    return load_stack().OidcSettings(
        issuer=issuer,
        client_id=client_id or "",
        client_secret=secret,
        default_role=default_role,
        domains=tuple(domain.lower().lstrip("@") for domain in domains or ()),
    )
