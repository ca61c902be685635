# /// case
# rootfs = "host"
# ///
true
