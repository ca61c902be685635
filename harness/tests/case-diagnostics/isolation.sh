# /// case
# [expect.isolation]
# pid-namspace = false
# hostname = "no"
# ///
true
