# bash itself can be the hog; the kernel then kills PID 1.
# /// case
# memory = "64M"
# [expect]
# oom = true
# signal = "SIGKILL"
# ///
hog=x
while :; do hog+=$hog; done
