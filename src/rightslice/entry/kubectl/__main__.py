"""``python -m rightslice.entry.kubectl``: the plugin without its name on the PATH."""

from rightslice.entry.kubectl.app import main

if __name__ == "__main__":
    main()
