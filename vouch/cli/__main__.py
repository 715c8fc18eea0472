"""`python -m vouch.cli`."""

from vouch.cli import main

if __name__ == "__main__":
    main()
