# /// case
# capabilities = ["CHOWN", "SYS_ADMIN"]
# ///
true
