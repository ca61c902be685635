# /// case
# hostname = "alpha"
# no-new-privileges = false
# ///
true
