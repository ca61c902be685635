# Where the host has one v2 tree, a jar sees its own cgroup in the usual place, and only reads.
# /// case
# memory = "96M"
# ///
if [[ -e /sys/fs/cgroup/memory.max ]]; then
    [[ $(< /sys/fs/cgroup/memory.max) == $((96 << 20)) ]] || exit 1
    mkdir /sys/fs/cgroup/escape 2> /dev/null && exit 2
fi
[[ $(< /proc/self/cgroup) == *:/ ]]
