# Attack: what tells of the kernel's or the host's memory is masked.
# /// case
# [expect]
# stdout = "masked\n"
# ///
for file in /proc/{kcore,keys,timer_list,sched_debug,interrupts} /dev/{mem,kmem,port,kmsg}; do
    (($(head -c 1 "$file" 2> /dev/null | wc -c))) && echo "read $file"
done
for folder in /sys/firmware /proc/acpi /proc/scsi; do
    [[ -z $(ls -A "$folder" 2> /dev/null) ]] || echo "listed $folder"
done
echo masked
