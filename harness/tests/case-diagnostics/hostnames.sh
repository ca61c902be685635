# /// case
# hostname = "-bad_host"
# ///
true
