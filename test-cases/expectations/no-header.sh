# A script without a header is a case too: it passes with status 0 in a sealed jar.
true
