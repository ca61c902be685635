# /// case
# [files]
# "/data" = "no-such-file"
# ///
true
