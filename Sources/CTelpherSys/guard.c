// The guard is a small process next to a server. It ends the server's running commands if the
// server dies unexpectedly (SIGKILL, the kernel's out-of-memory killer, a crash). It is a helper
// process, and shares memory with the server: the table of the running commands.
#define _GNU_SOURCE
#include "CTelpherSys.h"
#include "helper.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

// One command: the tag of its processes, and the number of its control group or 0. If the tag is 0,
// the slot is free.
struct slot {
  uint64_t tag;
  uint64_t group;
};

// The memory that the server and its guard share.
struct telpher_guard_table {
  // The number of slots in use so far; all are at the start of the array.
  uint64_t used;
  uint64_t padding;
  struct slot slots[];
};

// How many times the guard scans for remaining processes, 2 ms apart. A process without a control
// group that forks all the time may escape all scans.
enum { ROUNDS = 1000 };

// ---- In the guard ----

// Writes `number` in decimal, without a NUL. Returns the position after it.
CHILD_SIDE static char *put_number(char *place, uint64_t number) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  while (count > 0) *place++ = digits[--count];
  return place;
}

// Writes `text` without its NUL. Returns the position after it.
CHILD_SIDE static char *put_text(char *place, const char *text) {
  while (*text) *place++ = *text++;
  return place;
}

// Returns the decimal number at `place`, or 0.
CHILD_SIDE static uint64_t number_at(const char *place, const char *end) {
  uint64_t number = 0;
  while (place < end && *place >= '0' && *place <= '9') {
    number = number * 10 + (uint64_t)(*place++ - '0');
  }
  return number;
}

// Reads a file of /proc. Returns the number of bytes.
CHILD_SIDE static long read_file(const char *path, char *buffer, long size) {
  long file = call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0);
  if (file < 0) return 0;
  long count = 0;
  while (count < size) {
    long more = call(SYS_read, file, (long)(buffer + count), size - count, 0);
    if (more <= 0) break;
    count += more;
  }
  call(SYS_close, file, 0, 0, 0);
  return count;
}

// Whether a process is a zombie. In /proc/PID/stat its state is the first field after its name, and
// its number of threads the eighteenth. A process whose first thread ended before the others looks
// like a zombie but still runs.
CHILD_SIDE static int is_zombie(uint64_t pid) {
  char path[40];
  char *end = put_text(put_number(put_text(path, "/proc/"), pid), "/stat");
  *end = 0;
  char text[1024];
  long count = read_file(path, text, sizeof text);
  long at = count;
  while (at > 0 && text[at - 1] != ')') at--;
  if (at == 0 || at + 1 >= count) return 1;
  char state = text[++at];
  if (state != 'Z' && state != 'X') return 0;
  for (int field = 1; field < 18; field++) {
    while (at < count && text[at] != ' ') at++;
    at++;
  }
  return number_at(text + at, text + count) <= 1;
}

// Returns the tag of a process, which is its soft limit of file locks, or 0.
CHILD_SIDE static uint64_t tag_of(uint64_t pid) {
  static const char label[] = "\nMax file locks ";
  char path[40];
  char *end = put_text(put_number(put_text(path, "/proc/"), pid), "/limits");
  *end = 0;
  char text[4096];
  long count = read_file(path, text, sizeof text);
  for (long i = 0; i + (long)sizeof label < count; i++) {
    long matching = 0;
    while (matching < (long)sizeof label - 1 && text[i + matching] == label[matching]) matching++;
    if (matching < (long)sizeof label - 1) continue;
    i += matching;
    while (i < count && text[i] == ' ') i++;
    return number_at(text + i, text + count);
  }
  return 0;
}

CHILD_SIDE static int is_guarded(const struct telpher_guard_table *table, uint64_t tag) {
  if (tag == 0) return 0;
  uint64_t used = __atomic_load_n(&table->used, __ATOMIC_ACQUIRE);
  for (uint64_t i = 0; i < used; i++) {
    if (__atomic_load_n(&table->slots[i].tag, __ATOMIC_ACQUIRE) == tag) return 1;
  }
  return 0;
}

// Sends SIGKILL to all processes whose tag is in the table. Returns whether there were any.
CHILD_SIDE static int kill_tagged(const struct telpher_guard_table *table) {
  long proc = call(SYS_openat, AT_FDCWD, (long)"/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (proc < 0) return 0;
  int any = 0;
  // struct linux_dirent64: inode, offset (8 bytes each), length (2), type (1), name.
  char entries[4096] __attribute__((aligned(8)));
  for (;;) {
    long count = call(SYS_getdents64, proc, (long)entries, sizeof entries, 0);
    if (count <= 0) break;
    for (long at = 0; at < count;) {
      const char *name = entries + at + 19;
      uint64_t pid = number_at(name, entries + count);
      if (pid > 0 && is_guarded(table, tag_of(pid)) && !is_zombie(pid)) {
        any = 1;
        call(SYS_kill, (long)pid, SIGKILL, 0, 0);
      }
      at += *(unsigned short *)(entries + at + 16);
    }
  }
  call(SYS_close, proc, 0, 0, 0);
  return any;
}

// Kills the control groups of the running commands. Their folder is open as descriptor 1.
CHILD_SIDE static void kill_groups(const struct telpher_guard_table *table) {
  uint64_t used = __atomic_load_n(&table->used, __ATOMIC_ACQUIRE);
  for (uint64_t i = 0; i < used; i++) {
    uint64_t tag = __atomic_load_n(&table->slots[i].tag, __ATOMIC_ACQUIRE);
    uint64_t group = __atomic_load_n(&table->slots[i].group, __ATOMIC_ACQUIRE);
    if (tag == 0 || group == 0) continue;
    char path[48];
    char *end = put_text(put_number(put_text(path, "job-"), group), "/cgroup.kill");
    *end = 0;
    long file = call(SYS_openat, 1, (long)path, O_WRONLY | O_CLOEXEC, 0);
    if (file < 0) continue;
    call(SYS_write, file, (long)"1", 1, 0);
    call(SYS_close, file, 0, 0, 0);
  }
}

// Gives the process a name of its own, which ps(1) shows. Fields 48 and 49 of /proc/self/stat are
// the bounds of the command line in memory (proc(5)).
CHILD_SIDE static void set_title(void) {
  static const char title[] = "telpher-guard";
  call(SYS_prctl, PR_SET_NAME, (long)title, 0, 0);
  char text[2048];
  long count = read_file("/proc/self/stat", text, sizeof text);
  long at = count;
  while (at > 0 && text[at - 1] != ')') at--;
  if (at == 0) return;
  uint64_t bounds[2] = {0, 0};
  for (int field = 2; field < 50; field++) {
    if (field >= 48) bounds[field - 48] = number_at(text + at, text + count);
    while (at < count && text[at] != ' ') at++;
    at++;
  }
  if (bounds[0] == 0 || bounds[1] <= bounds[0]) return;
  char *place = (char *)(uintptr_t)bounds[0], *end = (char *)(uintptr_t)bounds[1];
  // The last byte stays 0, or ps(1) would read on into the environment.
  for (long i = 0; place < end; i++) {
    *place = i < (long)sizeof title && place + 1 < end ? title[i] : 0;
    place++;
  }
}

// Ends the commands, unless the server has dismissed the guard.
CHILD_SIDE static void guard_ends(void *context, int was_dismissed) {
  const struct telpher_guard_table *table = context;
  if (was_dismissed) return;
  for (int round = 0; round < ROUNDS; round++) {
    kill_groups(table);
    if (!kill_tagged(table)) break;
    struct timespec pause;
    pause.tv_sec = 0;
    pause.tv_nsec = 2000000;
    call(SYS_nanosleep, (long)&pause, 0, 0, 0);
  }
}

// ---- In the server ----

int telpher_guard_start(int groups, size_t slots, struct telpher_guard *result) {
  size_t size = sizeof(struct telpher_guard_table) + slots * sizeof(struct slot);
  struct telpher_guard_table *table = telpher_share_memory(size);
  if (!table) return -errno;
  struct helper_work work = {.begin = set_title, .end = guard_ends, .context = table};
  int writer = telpher_start_helper(groups, &work);
  if (writer < 0) {
    munmap(table, size);
    return writer;
  }
  *result = (struct telpher_guard){.table = table, .slots = slots, .writer = writer};
  return 0;
}

void telpher_guard_set(
    const struct telpher_guard *guard, size_t slot, uint64_t tag, uint64_t group) {
  struct telpher_guard_table *table = guard->table;
  __atomic_store_n(&table->slots[slot].tag, 0, __ATOMIC_RELEASE);
  __atomic_store_n(&table->slots[slot].group, group, __ATOMIC_RELEASE);
  __atomic_store_n(&table->slots[slot].tag, tag, __ATOMIC_RELEASE);
  uint64_t used = __atomic_load_n(&table->used, __ATOMIC_ACQUIRE);
  while (used <= slot && !__atomic_compare_exchange_n(
                             &table->used, &used, slot + 1, 0, __ATOMIC_RELEASE, __ATOMIC_ACQUIRE)) {
  }
}

void telpher_guard_dismiss(const struct telpher_guard *guard) {
  ssize_t ignored = write(guard->writer, "e", 1);
  (void)ignored;
  close(guard->writer);
  munmap(guard->table, sizeof(struct telpher_guard_table) + guard->slots * sizeof(struct slot));
}
