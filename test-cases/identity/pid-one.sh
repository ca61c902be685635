# /// case
# [expect]
# stdout = "1 bash\n"
# ///
echo "$$ $(cat /proc/1/comm)"
