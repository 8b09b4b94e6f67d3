"""What `run` becomes: the command line, with this repository as the only place that `pyhelpers` is imported from."""

import sys

# `run` starts this file with -I, which keeps PYTHONPATH, the current folder and this file's own folder out of sys.path.
sys.path.insert(0, __file__.rpartition("/pyhelpers/")[0])

from pyhelpers.cli.main import main

main()
