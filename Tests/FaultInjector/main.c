// Runs a program and lets one of its system calls fail: the k-th one of a kind, with an errno.
//
//     fault-injector CONTROL [CALL ERRNO K REPORT] -- PROGRAM [ARGUMENT...]
//
// The kernel asks this process about each call of the kinds below, from every thread and child of
// the program, however it is made (seccomp_unotify(2)), so it misses no call.
//
// CONTROL is the path of a Unix socket, or "-". A connection to it may say "arm CALL ERRNO K\n" (answer:
// "ok\n"), from when on calls are counted and the K-th fails, and "stop\n" (answer: "COUNT\n", the calls
// that were counted). With CALL ERRNO K the program is armed by its first connect(2), that is after it
// has started; COUNT is written to the file REPORT when the program has ended. The exit status is the
// program's.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

// A kind of call: the C library may use one or the other of several calls for the same purpose.
struct kind {
  const char *name;
  int numbers[3];
};

static const struct kind kinds[] = {
    {"openat", {__NR_openat}},
    {"openat2", {__NR_openat2}},
    {"pwrite64", {__NR_pwrite64}},
    {"pread64", {__NR_pread64}},
    {"ftruncate", {__NR_ftruncate}},
    {"fallocate", {__NR_fallocate}},
    {"fsync", {__NR_fsync}},
    {"fdatasync", {__NR_fdatasync}},
    {"syncfs", {__NR_syncfs}},
#ifdef __NR_renameat
    {"renameat2", {__NR_renameat2, __NR_renameat}},
#else
    {"renameat2", {__NR_renameat2}},
#endif
    {"linkat", {__NR_linkat}},
    {"symlinkat", {__NR_symlinkat}},
    {"readlinkat", {__NR_readlinkat}},
    {"mkdirat", {__NR_mkdirat}},
    {"unlinkat", {__NR_unlinkat}},
    {"fchmod", {__NR_fchmod}},
    {"fchmodat", {__NR_fchmodat, __NR_fchmodat2}},
    {"utimensat", {__NR_utimensat}},
    {"fstat", {__NR_fstat, __NR_newfstatat, __NR_statx}},
    {"getdents64", {__NR_getdents64}},
    {"flock", {__NR_flock}},
    {"lseek", {__NR_lseek}},
};
enum { KINDS = sizeof kinds / sizeof *kinds, NUMBERS = 3 };

// What is armed: the kind, the errno, and which of the calls fails. -1: nothing.
static int armed = -1, error_number, failing;
static long count;
// What the first connect(2) arms.
static int waiting = -1;

static void die(const char *what) {
  fprintf(stderr, "fault-injector: %s: %s\n", what, strerror(errno));
  exit(125);
}

static int kind_named(const char *name) {
  for (int kind = 0; kind < KINDS; kind++)
    if (strcmp(kinds[kind].name, name) == 0) return kind;
  fprintf(stderr, "fault-injector: there is no call '%s'\n", name);
  exit(125);
}

static int is_of_kind(int kind, int number) {
  for (int i = 0; i < NUMBERS; i++)
    if (kinds[kind].numbers[i] == number) return 1;
  return 0;
}

// Has the kernel ask about the calls of all kinds, and connect(2); returns the descriptor to answer by.
static int install_filter(void) {
  struct sock_filter filter[4 + 2 * (KINDS * NUMBERS + 1)];
  unsigned short length = 0;
#define ADD(...) filter[length++] = (struct sock_filter)__VA_ARGS__
  ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)));
  ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
  ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
  for (int kind = -1; kind < KINDS; kind++) {
    for (int i = 0; i < NUMBERS; i++) {
      int number = kind < 0 ? __NR_connect : kinds[kind].numbers[i];
      if (number == 0 || (kind < 0 && i > 0)) continue;
      ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1));
      ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF));
    }
  }
  struct sock_filter last = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_filter whole[sizeof filter / sizeof *filter + 1];
  memcpy(whole, filter, length * sizeof *filter);
  whole[length++] = last;
  struct sock_fprog program = {.len = length, .filter = whole};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) die("prctl");
  int listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                              SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  if (listener < 0) die("seccomp");
  return listener;
}

// A message of one byte with room for one descriptor. Its parts point at each other.
struct descriptor_message {
  char byte;
  struct iovec piece;
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
  struct msghdr message;
};

static void prepare(struct descriptor_message *prepared) {
  *prepared = (struct descriptor_message){0};
  prepared->piece = (struct iovec){&prepared->byte, 1};
  prepared->message = (struct msghdr){.msg_iov = &prepared->piece,
                                      .msg_iovlen = 1,
                                      .msg_control = prepared->control,
                                      .msg_controllen = sizeof prepared->control};
}

static void send_descriptor(int socket, int descriptor) {
  struct descriptor_message sent;
  prepare(&sent);
  struct cmsghdr *header = CMSG_FIRSTHDR(&sent.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  if (sendmsg(socket, &sent.message, 0) < 0) die("sendmsg");
}

static int receive_descriptor(int socket) {
  struct descriptor_message received;
  prepare(&received);
  if (recvmsg(socket, &received.message, MSG_CMSG_CLOEXEC) < 1) exit(125);
  struct cmsghdr *header = CMSG_FIRSTHDR(&received.message);
  if (header == NULL) exit(125);
  int descriptor;
  memcpy(&descriptor, CMSG_DATA(header), sizeof(int));
  return descriptor;
}

// Answers the kernel's question about one call.
static void answer(int listener) {
  struct seccomp_notif call = {0};
  if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0) return;
  struct seccomp_notif_resp response = {.id = call.id,
                                        .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
  if (call.data.nr == __NR_connect) {
    if (waiting >= 0) armed = waiting;
    waiting = -1;
  } else if (armed >= 0 && is_of_kind(armed, call.data.nr) && ++count == failing) {
    response.flags = 0;
    response.error = -error_number;
  }
  // The program may have been killed meanwhile.
  ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

// Does what one line from the control socket says; 0 at its end.
static int obey(int connection) {
  char line[128], name[32], reply[32] = "ok\n";
  ssize_t length = recv(connection, line, sizeof line - 1, 0);
  if (length <= 0) return 0;
  line[length] = 0;
  if (sscanf(line, "arm %31s %d %d", name, &error_number, &failing) == 3) {
    armed = kind_named(name);
    count = 0;
  } else {
    armed = -1;
    snprintf(reply, sizeof reply, "%ld\n", count);
  }
  return send(connection, reply, strlen(reply), MSG_NOSIGNAL) > 0;
}

static int listen_at(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  int control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(control, (struct sockaddr *)&address, sizeof address) < 0 || listen(control, 4) < 0)
    die(path);
  return control;
}

int main(int argc, char **argv) {
  int end = 0;
  while (end < argc && strcmp(argv[end], "--") != 0) end++;
  if (end + 1 >= argc || (end != 2 && end != 6)) {
    fprintf(stderr, "usage: fault-injector CONTROL [CALL ERRNO K REPORT] -- PROGRAM...\n");
    return 125;
  }
  if (end == 6) {
    waiting = kind_named(argv[2]);
    error_number = atoi(argv[3]);
    failing = atoi(argv[4]);
  }
  int control = strcmp(argv[1], "-") == 0 ? -1 : listen_at(argv[1]);
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) die("socketpair");
  pid_t parent = getpid();
  pid_t child = fork();
  if (child < 0) die("fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(125);
    int listener = install_filter();
    send_descriptor(pair[1], listener);
    close(listener);
    execv(argv[end + 1], argv + end + 1);
    die(argv[end + 1]);
  }
  close(pair[1]);
  int listener = receive_descriptor(pair[0]);
  int process = (int)syscall(SYS_pidfd_open, child, 0);
  struct pollfd polled[] = {
      {.fd = process, .events = POLLIN}, {.fd = listener, .events = POLLIN},
      {.fd = control, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
  while (!(polled[0].revents & POLLIN)) {
    if (poll(polled, 4, -1) < 0 && errno != EINTR) die("poll");
    if (polled[1].revents & POLLIN) answer(listener);
    if (polled[1].revents & POLLHUP) polled[1].fd = -1;
    if ((polled[2].revents & POLLIN) && polled[3].fd < 0)
      polled[3].fd = accept4(control, NULL, NULL, SOCK_CLOEXEC);
    if ((polled[3].revents & (POLLIN | POLLHUP)) && !obey(polled[3].fd)) {
      close(polled[3].fd);
      polled[3].fd = -1;
    }
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (end == 6) {
    FILE *report = fopen(argv[5], "we");
    if (report == NULL) die(argv[5]);
    fprintf(report, "%ld\n", count);
    fclose(report);
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
