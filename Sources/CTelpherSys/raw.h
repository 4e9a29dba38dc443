// System calls without libc, for code in a child that shares or copies the memory of a process with
// many threads: libc's wrappers would write errno, and sanitizers would intercept them.
#ifndef CTELPHERSYS_RAW_H
#define CTELPHERSYS_RAW_H

#define CHILD_SIDE __attribute__((no_sanitize("thread", "address")))

// Makes one system call without touching errno. Returns the result or the negated error.
CHILD_SIDE static inline __attribute__((always_inline)) long
call(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#else
#error "raw.h knows the system calls of x86-64 and aarch64"
#endif
}

#endif
