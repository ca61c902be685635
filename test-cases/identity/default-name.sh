# Without a `hostname`, a case is called after its file, wherever one looks.
# /// case
# [expect]
# stdout = """
# default-name
# default-name
# default-name
# """
# ///
hostname
echo "$HOSTNAME"
cat /etc/hostname
