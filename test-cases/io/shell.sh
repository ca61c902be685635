# Another shell can run the script; PID 1 is then that shell.
# /// case
# shell = ["/bin/sh", "-eu"]
# [expect]
# stdout = "sh with eu\n"
# ///
case $- in *e*u* | *u*e*) flags=eu ;; esac
echo "$(cat /proc/1/comm) with ${flags:-none}"
