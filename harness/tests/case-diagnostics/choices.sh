# /// case
# network = "bridge"
# user = "a b"
# workdir = "tmp"
# shell = ["sh"]
# ///
true
