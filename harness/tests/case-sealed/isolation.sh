# /// case
# [expect]
# exit = 1
# [expect.isolation]
# hostname = true
# seccomp = false
# user-namespace = false
# ///
true
