"""``python -m layernext.cli`` is the command ``layernext``."""

from layernext.cli import main

main()
