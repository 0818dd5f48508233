"""needs.py MODULE... -- COMMAND...: runs the command if Python has the modules; else says what is missing, exit 77."""

import importlib.util
import subprocess
import sys

bar = sys.argv.index("--")
missing = [module for module in sys.argv[1:bar] if importlib.util.find_spec(module) is None]
if missing:
    print("skipped: this Python has no", ", no ".join(missing))
    sys.exit(77)
if "torch" in sys.argv[1:bar]:
    import torch

    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 5):
        print("skipped: the recipe needs PyTorch 2.5, this is", torch.__version__)
        sys.exit(77)
sys.exit(subprocess.call(sys.argv[bar + 1:]))
