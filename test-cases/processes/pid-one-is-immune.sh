# The kernel shields PID 1 from signals of its own jar, SIGKILL included.
# /// case
# [expect]
# stdout = "alive\n"
# ///
kill -KILL 1
kill -TERM $$
echo alive
