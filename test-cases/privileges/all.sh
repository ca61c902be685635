# With all capabilities a case can mount, inside its own namespaces only.
# /// case
# capabilities = "all"
# [expect]
# stdout = "none /mnt tmpfs\n"
# ///
mount -t tmpfs none /mnt && grep -o '^none /mnt tmpfs' /proc/mounts
