# No process of the host is in sight: in a fresh jar there is nobody but PID 1.
# /// case
# [expect]
# stdout = "1\n"
# ///
cd /proc && echo [0-9]*
