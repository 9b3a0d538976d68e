"""The options of `layernext serve` for signing in through an OpenID Connect provider."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from layernext.cli.option_groups import OptionGroup
from layernext.cli.stack_extra import load_stack
from layernext.errors import ConfigurationError

SECRET_VARIABLE = "LAYERNEXT_OIDC_CLIENT_SECRET"  # noqa: S105 - its name


@dataclass(frozen=True)
class OidcOptions(OptionGroup):
    """The identity provider that people sign in through, if there is one."""

    panel = "Sign-in"

    oidc_issuer: Annotated[
        str | None,
        typer.Option(
            "--oidc-issuer",
            metavar="URL",
            help="OpenID Connect provider that people may sign in with; needs --oidc-client-id.",
        ),
    ] = None
    oidc_client_id: Annotated[
        str | None,
        typer.Option(
            "--oidc-client-id", metavar="ID", help="Client id of the stack at the provider."
        ),
    ] = None
    oidc_client_secret_file: Annotated[
        Path | None,
        typer.Option(
            "--oidc-client-secret-file",
            help=f"File with the client secret of the stack at the provider. Also {SECRET_VARIABLE}.",
        ),
    ] = None
    oidc_default_role: Annotated[
        Literal["none", "read", "write"],
        typer.Option(
            "--oidc-default-role",
            help="Role in the whole stack of people who sign in for the first time.",
        ),
    ] = "none"
    oidc_domain: Annotated[
        list[str] | None,
        typer.Option(
            "--oidc-domain",
            metavar="DOMAIN",
            help="Admit only verified email addresses of this domain; repeatable.",
        ),
    ] = None

    def settings(self) -> Any:
        """The settings of the identity provider; None without one.

        Raises:
            ConfigurationError: an option lacks the provider, or the secret cannot be read.
        """
        if self.oidc_issuer is None:
            if self.oidc_client_id or self.oidc_client_secret_file or self.oidc_domain:
                raise ConfigurationError(
                    "options of OpenID Connect need a provider", hint="pass --oidc-issuer"
                )
            return None
        return load_stack().OidcSettings(
            issuer=self.oidc_issuer,
            client_id=self.oidc_client_id or "",
            client_secret=self._secret(),
            default_role=self.oidc_default_role,
            domains=tuple(domain.lower().lstrip("@") for domain in self.oidc_domain or ()),
        )

    def _secret(self) -> str | None:
        file = self.oidc_client_secret_file
        if file is None:
            return os.environ.get(SECRET_VARIABLE) or None
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise ConfigurationError(f"cannot read {file}: {reason}") from error
