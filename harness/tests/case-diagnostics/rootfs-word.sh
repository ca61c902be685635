# /// case
# rootfs = "debian"
# ///
true
