"""``python -m lib``: the command line."""

from lib.cli import cli

if __name__ == "__main__":
    cli.main()
