# Without `stdin` there is nothing to read: a question gets no answer, instead of hanging.
# /// case
# [expect]
# stdout = "no answer\n"
# ///
read -r || echo "no answer"
