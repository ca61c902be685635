# A case can give up all capabilities: root is then stopped by a file's mode, as others are.
# /// case
# capabilities = "none"
# [expect]
# stdout = "CapEff:\t0000000000000000\n"
# stderr.contains = "Permission denied"
# ///
grep CapEff /proc/self/status
echo secret > /tmp/file
chmod 000 /tmp/file
cat /tmp/file || true
