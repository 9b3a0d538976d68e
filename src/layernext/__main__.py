"""`python -m layernext` is the command ``layernext``."""

from layernext.cli import main

main()
