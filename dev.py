"""The developers' commands. Needs Python 3.10 or newer and nothing else.

    python3 dev.py demo     see it work: a temporary stack, uploads, downloads, a comparison
    python3 dev.py test     everything that CI runs: check, then the tests

    python3 dev.py check    format, lint and types of Python and JavaScript, generated files
    python3 dev.py fix      format, fix what can be fixed, and regenerate the generated files
    python3 dev.py docs     regenerate the pages and the code that are generated
    python3 dev.py bench    benchmarks; `bench --files` those of files, `--large` the long ones
    python3 dev.py run      a stack with sample data; runs until Ctrl-C
    python3 dev.py setup    only make .venv; later commands use it
    python3 dev.py lock     add new dependencies to constraints.txt; `lock --upgrade` takes new versions

Arguments after a command go to the program behind it: `python3 dev.py test tests/unit -k line`
runs only those tests. Everything is installed into .venv with the versions of constraints.txt, and
again whenever that file or pyproject.toml changes; the system's Python is not touched. `test` asks
before it installs Chromium with apt; with `--yes` it does not ask.
"""

# Any `python3`, or even Python 2, may start this file. It must parse there, to be able to say that
# the version is too old. So: ASCII only, no annotations, no f-strings. The commands themselves are
# in tools/developer_commands.py.

import os
import subprocess
import sys

OLDEST = (3, 10)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3")


def start_newer_python():
    """Start again under a newer Python on the PATH, or say that there is none."""
    for name in NEWER:
        for folder in os.environ.get("PATH", "").split(os.pathsep):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and is_new_enough(path):
                os.execv(path, [path] + sys.argv)
    this = ".".join(map(str, sys.version_info[:2]))
    sys.exit("dev.py: needs Python 3.10 or newer; this is Python " + this)


def is_new_enough(path):
    """Whether a Python runs and is new enough; a shim of pyenv may exist and yet not run."""
    check = "import sys; sys.exit(sys.version_info < {0!r})".format(OLDEST)
    with open(os.devnull, "w") as devnull:
        try:
            return subprocess.call([path, "-c", check], stdout=devnull, stderr=devnull) == 0
        except OSError:
            return False


if __name__ == "__main__":
    if sys.version_info < OLDEST:
        start_newer_python()
    from tools.developer_commands import main

    sys.exit(main(sys.argv[1:], __doc__))
