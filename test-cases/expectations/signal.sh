# A crash of PID 1 is an ending of its own, told apart from status 139.
# /// case
# [expect]
# signal = "SIGSEGV"
# stderr = ""
# ///
ulimit -s 256
forever() { forever; }
forever
