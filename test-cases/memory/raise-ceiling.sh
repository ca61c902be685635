# Attack: the jar cannot leave its cgroup or raise its ceiling: it sees no cgroup but `/`.
# /// case
# memory = "64M"
# swap = "none"
# [expect]
# stdout = "no way\n"
# ///
while IFS=: read -r _ controllers path; do
    [[ $path == / ]] || echo "$controllers: sees $path"
done < /proc/self/cgroup
for file in /sys/fs/cgroup/{,*/}{cgroup.procs,memory.max,memory.limit_in_bytes,pids.max}; do
    { echo 1 > "$file"; } 2> /dev/null && echo "wrote to $file"
done
mount -t cgroup2 none /mnt 2> /dev/null && echo "mounted the tree"
echo "no way"
