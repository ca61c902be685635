# Folders add up from the outside in.
# /// case
# [expect]
# stdout = "nested deep north verbose=1\n"
# ///
echo "$(hostname) $STAGE $REGION $(cat /etc/app.conf)"
