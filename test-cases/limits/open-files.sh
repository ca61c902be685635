# The usual limits are those of a plain login, not those of whoever runs belljar.
# /// case
# [expect]
# stdout = """
# files 1024
# core 0
# umask 0022
# """
# ///
echo "files $(ulimit -Sn)"
echo "core $(ulimit -c)"
echo "umask $(umask)"
