"""The process that the mypy plugin asks: `python -m typedvision.lint.helper`.

It reads pickled calls from stdin and writes what the library says of each to stdout. So mypy's own
process imports neither the library nor anybody's plug-in, and a first run does not wait: the
families are imported while mypy reads other files.
"""

from __future__ import annotations

import os
import pickle
import sys

from typedvision.lint.call import Verdict
from typedvision.lint.validation import verdict
from typedvision.registry import index


def main() -> None:
    """Answer until there is nobody who asks."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as answers, open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())  # a plug-in may print
        if "--all" in sys.argv:
            index.families()
        while True:
            try:
                found = verdict(pickle.load(sys.stdin.buffer))
            except EOFError:
                return
            except Exception:  # of a broken plug-in; mypy goes on
                found = Verdict(None, None, None, ())
            pickle.dump(found, answers)
            answers.flush()


if __name__ == "__main__":
    main()
