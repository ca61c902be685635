# /// case
# hostname = ""
# ///
true
