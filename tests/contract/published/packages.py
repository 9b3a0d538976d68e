"""The published packages that the tests run unchanged."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

from tests.support.stack_process import published_environment


@dataclass(frozen=True)
class Package:
    """A published release.

    Attributes:
        version: its version.
        distribution: its name on the index.
        module: what it is imported as.
        client: its client class.
    """

    version: str
    distribution: str
    module: str
    client: str

    @property
    def title(self) -> str:
        """Such as ``layerx-sdk 1.0.15``."""
        return f"{self.distribution} {self.version}"

    def python(self) -> Path:
        """The interpreter of an environment that holds it, unchanged."""
        short = self.distribution.removesuffix("-sdk")
        requirement = f"{self.distribution}=={self.version}"
        return published_environment(f"{short}-{self.version}", requirement)

    def folder(self) -> Path:
        """Its source."""
        library = self.python().parents[1] / "lib"
        (folder,) = library.glob(f"python*/site-packages/{self.module}")
        return folder

    def methods(self) -> dict[str, ast.arguments]:
        """Public methods of its client, read from the source without running it."""
        tree = ast.parse((self.folder() / "__init__.py").read_text(encoding="utf-8"))
        (client,) = [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef) and node.name == self.client
        ]
        return {
            node.name: node.args
            for node in client.body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        }

    def constants(self) -> dict[str, dict[str, int | str]]:
        """Enumerations of its module of constants: members with their values."""
        path = self.folder() / "datalake" / "constants.py"
        tree = ast.parse(path.read_text(encoding="utf-8"))
        return {
            node.name: {
                ast.unparse(member.targets[0]): _value(member.value)
                for member in node.body
                if isinstance(member, ast.Assign)
            }
            for node in tree.body
            if isinstance(node, ast.ClassDef)
        }


def _value(node: ast.expr) -> int | str:
    """A member's value; a comma behind it, as layernext-beta has, is a slip."""
    value = ast.literal_eval(node)
    result: int | str = value[0] if isinstance(value, tuple) else value
    return result


PACKAGES = {
    package.version: package
    for package in (
        Package("0.0.5", "layerx-sdk", "layerx", "LayerxClient"),
        Package("0.0.21", "layerx-sdk", "layerx", "LayerxClient"),
        Package("0.1.1", "layerx-sdk", "layerx", "LayerxClient"),
        Package("1.0.1", "layerx-sdk", "layerx", "LayerxClient"),
        Package("1.0.15", "layerx-sdk", "layerx", "LayerxClient"),
        Package("1.1.1", "layernext", "layernext", "LayerNextClient"),
        Package("2.3.4", "layernext", "layernext", "LayerNextClient"),
        Package("3.28.14", "layernext-beta", "layernext", "LayerNextClient"),
    )
}
"""By version, oldest first."""
