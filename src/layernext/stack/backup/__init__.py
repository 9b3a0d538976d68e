"""Backups of a stack, and the check of what it has: rows and objects together, while it serves."""

from layernext.stack.backup.back_up import back_up
from layernext.stack.backup.check import Checked, Repaired, check, repair
from layernext.stack.backup.restore import Restored, restore
from layernext.stack.backup.retention import Dropped, Verified, prune, verify
from layernext.stack.backup.target import Manifest, Target

__all__ = [
    "Checked",
    "Dropped",
    "Manifest",
    "Repaired",
    "Restored",
    "Target",
    "Verified",
    "back_up",
    "check",
    "prune",
    "repair",
    "restore",
    "verify",
]
