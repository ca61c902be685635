# A case replaces single keys; of `env` and `files` the others stay.
# /// case
# hostname = "own"
# env.REGION = "south"
# [expect]
# stdout = "own test south verbose=1\n"
# ///
echo "$(hostname) $STAGE $REGION $(cat /etc/app.conf)"
