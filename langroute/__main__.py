"""``python -m langroute`` is ``langroute``."""

from langroute.cli import main

if __name__ == "__main__":
    main()
