# /// case
# network = "host"
# ///
true
