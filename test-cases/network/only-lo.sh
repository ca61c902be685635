# The only network interface is `lo`.
# /// case
# [expect]
# stdout = "lo\n"
# ///
sed -n 's/^ *\([^ :]*\):.*/\1/p' /proc/net/dev
