# Attack: a user namespace of one's own gives no power over what the jar has covered.
# /// case
# [expect]
# stdout = "still covered\n"
# stderr.matches = '^(mount|umount|unshare): '
# ///
# Whether it can be made at all is up to the host; root therein may mount, but not this.
unshare --user --map-root-user --mount bash -c '
    mount -o remount,bind,rw /proc/sys && echo "made /proc/sys writable"
    mount -o remount,rw /sys && echo "made /sys writable"
    umount /proc/sys && echo "uncovered /proc/sys"
    umount /dev/null && echo "uncovered /dev/null"
'
echo "still covered"
