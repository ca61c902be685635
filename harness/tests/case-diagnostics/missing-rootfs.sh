# /// case
# rootfs = "./no-such-root"
# ///
true
