"""Measures Crake's messages and those of others, and prints tables as Markdown. `bench/compare` calls it with the binary and its options."""

import os
import signal
import sys

from shield import shielded

# A rival that hangs is an error, not a night lost.
PATIENCE_S = 1200

# glibc copies some KiB and more by `rep movsb`, which takes several times as long on some processors where source and target are not aligned alike: then it
# would be measured whose payload happens to lie behind a header of which length. So all copy by vectors.
NO_REP_MOVSB = "glibc.cpu.x86_rep_movsb_threshold=1000000000"


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    environment = {"GLIBC_TUNABLES": NO_REP_MOVSB} | os.environ
    with shielded(sys.argv[1:], env=environment) as messages:
        sys.exit(messages.wait(timeout=PATIENCE_S))


main()
