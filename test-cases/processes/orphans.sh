# Orphans are adopted by PID 1, as everywhere: here that is the script's own bash.
# /// case
# [expect]
# stdout = "my parent is now 1\n"
# ///
mkfifo gate answer
# The outer subshell ends at once and leaves the inner one behind.
(
    (
        read -r < gate
        sed -n 's/^PPid:\t/my parent is now /p' "/proc/$BASHPID/status" > answer
    ) &
)
echo go > gate
cat answer
