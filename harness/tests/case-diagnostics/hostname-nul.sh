# /// case
# hostname = "a\u0000b"
# ///
true
