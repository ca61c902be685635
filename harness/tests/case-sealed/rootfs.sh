# /// case
# rootfs = "./_root"
# ///
true
