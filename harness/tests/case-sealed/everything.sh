# /// case
# capabilities = "all"
# memory = "none"
# no-new-privileges = false
# network = "host"
# rootfs = "host"
# expect.isolation.network-namespace = false
# ///
true
