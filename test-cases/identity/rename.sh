# Attack: not even root inside can rename the machine.
# /// case
# hostname = "victim"
# [expect]
# stdout = "victim\n"
# ///
hostname evil 2> /dev/null && echo "hostname(1) worked"
echo evil 2> /dev/null > /proc/sys/kernel/hostname && echo "/proc worked"
hostname
