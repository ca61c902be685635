# A case that needs the host's network says so, and this property is then not judged.
# /// case
# network = "host"
# [expect]
# stdout.contains = "lo:"
# isolation.network-namespace = false
# ///
cat /proc/net/dev
