/*
 * Lets user-mode Linux 6.1 run on processors with a register state larger than it knows
 * (AMX): it hands PTRACE_SETREGSET a buffer of its own fixed size, which the kernel of the
 * host refuses when it is not the whole state, and the first program in the guest dies.
 * Preloaded, this fills in the rest from the state that the process has.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long (*ptrace_fn)(enum __ptrace_request, ...);

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_fn next;
	static __thread char whole[64 << 10];
	va_list list;
	pid_t pid;
	void *addr, *data;
	struct iovec *asked, all = { whole, sizeof(whole) };

	va_start(list, request);
	pid = va_arg(list, pid_t);
	addr = va_arg(list, void *);
	data = va_arg(list, void *);
	va_end(list);
	if (!next)
		next = (ptrace_fn)dlsym(RTLD_NEXT, "ptrace");
	if (request != PTRACE_SETREGSET || addr != (void *)NT_X86_XSTATE)
		return next(request, pid, addr, data);
	asked = data;
	if (next(PTRACE_GETREGSET, pid, addr, &all) < 0 || all.iov_len <= asked->iov_len)
		return next(request, pid, addr, data);
	memcpy(whole, asked->iov_base, asked->iov_len);
	return next(request, pid, addr, &all);
}
