# /// case
# timeout = "99999999999h"
# ///
true
