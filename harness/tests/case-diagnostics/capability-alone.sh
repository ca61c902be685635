# /// case
# capabilities = "CAP_NET_ADMIN"
# ///
true
