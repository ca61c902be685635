# The working directory is `/` unless asked otherwise, and is made where it is missing.
# /// case
# workdir = "/srv/build/deep"
# [expect]
# stdout = "/srv/build/deep\n"
# ///
pwd
