"""`python -m vouch.cli`."""

from vouch.cli.main import main

if __name__ == "__main__":
    main()
