# Root inside keeps what scripts usually need, and nothing that reaches the machine.
# /// case
# [expect]
# stdout = "may change owners\n"
# ///
touch /tmp/file && chown 0:0 /tmp/file && chmod 600 /tmp/file && echo "may change owners"
caps=0x$(sed -n 's/^CapEff:\t//p' /proc/self/status)
# Numbers of capabilities(7).
for cap in 12:NET_ADMIN 16:SYS_MODULE 17:SYS_RAWIO 19:SYS_PTRACE 21:SYS_ADMIN 25:SYS_TIME 27:MKNOD; do
    ((caps >> ${cap%:*} & 1)) && echo "has ${cap#*:}"
done
true
