"""Start the command line."""

from __future__ import annotations

from rightslice.entry.cli.app import main

if __name__ == "__main__":
    main()
