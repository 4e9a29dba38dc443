// The limit for files. Copies a file or a folder over one loopback connection with read(2),
// send(2), recv(2) and write(2) and buffers of 1 MiB, without digests, temporary names or answers.
// Sender and receiver are separate processes.
//
//   bench-file-c SOURCE DESTINATION   copies SOURCE to DESTINATION, which must not exist
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { buffer_size = 1024 * 1024, longest_path = 4096 };

// The header of an entry. The entry's path relative to the source follows it.
struct header {
  uint64_t size;
  uint32_t path_length;
  uint32_t is_folder;
};

static char buffer[buffer_size];
static size_t used, taken;
static int connection;

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

// MARK: Sender

static size_t source_length;

static void flush(void) {
  for (size_t done = 0; done < used;) {
    ssize_t count = send(connection, buffer + done, used - done, MSG_NOSIGNAL);
    check(count > 0, "send");
    done += (size_t)count;
  }
  used = 0;
}

static void put(const void *bytes, size_t count) {
  if (buffer_size - used < count) flush();
  memcpy(buffer + used, bytes, count);
  used += count;
}

static int send_entry(const char *path, const struct stat *status, int type, struct FTW *place) {
  (void)place;
  struct header header = {
      .size = type == FTW_F ? (uint64_t)status->st_size : 0,
      .path_length = (uint32_t)strlen(path + source_length),
      .is_folder = type == FTW_D};
  check(type == FTW_F || type == FTW_D, path);
  put(&header, sizeof header);
  put(path + source_length, header.path_length);
  if (type == FTW_D) return 0;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  check(file >= 0, path);
  for (uint64_t left = header.size; left > 0;) {
    if (used == buffer_size) flush();
    ssize_t count = read(file, buffer + used, buffer_size - used);
    check(count > 0, "read");
    used += (size_t)count;
    left -= (uint64_t)count;
  }
  close(file);
  return 0;
}

// MARK: Receiver

// Reads more bytes if none is buffered. Returns whether there is a byte to take.
static int fill(void) {
  if (taken < used) return 1;
  ssize_t count = recv(connection, buffer, buffer_size, 0);
  check(count >= 0, "recv");
  taken = 0;
  used = (size_t)count;
  return count > 0;
}

static void take(void *bytes, size_t count) {
  for (size_t done = 0; done < count;) {
    check(fill(), "the end came early");
    size_t piece = count - done < used - taken ? count - done : used - taken;
    memcpy((char *)bytes + done, buffer + taken, piece);
    taken += piece;
    done += piece;
  }
}

static void receive(const char *destination) {
  char path[2 * longest_path];
  size_t length = strlen(destination);
  check(length < longest_path, "the destination's length");
  memcpy(path, destination, length);
  while (fill()) {
    struct header header;
    take(&header, sizeof header);
    check(header.path_length < longest_path, "the path's length");
    take(path + length, header.path_length);
    path[length + header.path_length] = 0;
    if (header.is_folder) {
      check(mkdir(path, 0755) == 0, path);
      continue;
    }
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    check(file >= 0, path);
    for (uint64_t left = header.size; left > 0;) {
      check(fill(), "the end came early");
      size_t piece = left < used - taken ? (size_t)left : used - taken;
      ssize_t count = write(file, buffer + taken, piece);
      check(count > 0, "write");
      taken += (size_t)count;
      left -= (uint64_t)count;
    }
    close(file);
  }
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: bench-file-c SOURCE DESTINATION\n");
    return 64;
  }
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  check(
      listener >= 0 && bind(listener, (void *)&address, sizeof address) == 0 &&
          listen(listener, 1) == 0 && getsockname(listener, (void *)&address, &size) == 0,
      "listen");
  pid_t receiver = fork();
  check(receiver >= 0, "fork");
  if (receiver == 0) {
    connection = accept(listener, NULL, NULL);
    check(connection >= 0, "accept");
    receive(argv[2]);
    return 0;
  }
  connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  check(
      connection >= 0 && connect(connection, (const void *)&address, sizeof address) == 0,
      "connect");
  source_length = strlen(argv[1]);
  check(nftw(argv[1], send_entry, 16, FTW_PHYS) == 0, argv[1]);
  flush();
  close(connection);
  int status = 0;
  waitpid(receiver, &status, 0);
  return status == 0 ? 0 : 1;
}
