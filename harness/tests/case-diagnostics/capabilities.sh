# /// case
# capabilities = ["NET_ADMIN", "CAP_SYS_ADMN"]
# ///
true
