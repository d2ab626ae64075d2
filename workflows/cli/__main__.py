"""`python -m workflows.cli`: the command line without its installed script."""

from workflows.cli.app import main

if __name__ == "__main__":
    main()
