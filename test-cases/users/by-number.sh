# The user can be given as a name, as a uid, or as a uid with a gid.
# /// case
# user = "0:0"
# [expect]
# stdout = "uid=0(root) gid=0(root) home=/root\n"
# ///
echo "$(id | cut -d ' ' -f 1,2) home=$HOME"
