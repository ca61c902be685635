# Attack: /dev has the harmless devices only, and no others can be made.
# /// case
# [expect]
# stdout = "full null ptmx random tty urandom zero\n"
# stderr.contains = ["mknod: /tmp/disk: Operation not permitted", "/dev/disk"]
# ///
mknod /tmp/disk b 8 0
touch /dev/disk
cd /dev
for name in *; do [[ -c $name ]] && printf '%s ' "$name"; done | sed 's/ $/\n/'
