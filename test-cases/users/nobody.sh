# A script need not run as root. Where belljar is run by a user without subordinate ids
# (/etc/subuid), root is the only id inside: so this one waits for you to remove `skip`.
# /// case
# skip = "needs an id besides root's"
# user = "nobody"
# [expect]
# stdout = "nobody\n"
# stderr.contains = "Permission denied"
# ///
id -un
touch /etc/mine || true
