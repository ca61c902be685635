# The script is run by bash, and this bash is process 1.
# /// case
# [expect]
# stdout = "1 bash\n"
# ///
echo "$$ $(cat /proc/1/comm)"
