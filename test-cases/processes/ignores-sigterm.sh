# Attack: a script that ignores every polite request is ended by the clock all the same.
# /// case
# timeout = "1s"
# [expect]
# timeout = true
# stdout = "started\n"
# ///
trap '' TERM INT HUP QUIT
echo started
while :; do sleep 1; done
