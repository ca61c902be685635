# Hostname, environment, files and even expectations come from belljar.toml beside it.
# /// case
# [expect]
# stdout = "shared test north verbose=1\n"
# ///
echo "$(hostname) $STAGE $REGION $(cat /etc/app.conf)"
