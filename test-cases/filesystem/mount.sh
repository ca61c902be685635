# Attack: nothing can be mounted, remounted or unmounted.
# /// case
# [expect]
# stdout = "sealed\n"
# stderr.matches = "^mount: .*(denied|permitted|superuser)"
# ///
mount -t tmpfs none /mnt && echo "mounted a tmpfs"
mount --bind /tmp /mnt 2> /dev/null && echo "bound a folder"
mount -o remount,rw /proc/sys 2> /dev/null && echo "made /proc/sys writable"
mount -o remount,suid,dev / 2> /dev/null && echo "allowed devices on /"
umount /proc/sys 2> /dev/null && echo "uncovered /proc/sys"
echo sealed
