// Pseudoterminals. The header documents the functions.
#define _GNU_SOURCE
#include "CTelpherSys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// Opens the slave of `master`. TIOCGPTPEER needs no path, so it works without /dev/pts in this
// mount namespace; it is there from Linux 4.13 on.
static int open_slave(int master) {
  int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  int slave = ioctl(master, TIOCGPTPEER, flags);
  if (slave >= 0) return slave;
  char path[64];
  int error = ptsname_r(master, path, sizeof path);
  if (error != 0) return -error;
  slave = open(path, flags);
  return slave < 0 ? -errno : slave;
}

// Prepares a new terminal and opens its slave.
static int prepare(int master, const struct telpher_terminal_size *size) {
  if (grantpt(master) < 0 || unlockpt(master) < 0) return -errno;
  int result = telpher_set_nonblocking(master);
  if (result >= 0) result = telpher_set_terminal_size(master, size);
  if (result < 0) return result;
  int slave = open_slave(master);
  if (slave < 0) return slave;
  // Text is UTF-8 almost everywhere: the erase key then removes a whole character.
  struct termios attributes;
  if (tcgetattr(slave, &attributes) == 0) {
    attributes.c_iflag |= IUTF8;
    tcsetattr(slave, TCSANOW, &attributes);
  }
  return slave;
}

int telpher_open_terminal(const struct telpher_terminal_size *size, int *slave) {
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0) return -errno;
  int result = prepare(master, size);
  if (result < 0) {
    close(master);
    return result;
  }
  *slave = result;
  return master;
}

int telpher_set_terminal_size(int terminal, const struct telpher_terminal_size *size) {
  struct winsize window = {
      .ws_row = size->rows,
      .ws_col = size->columns,
      .ws_xpixel = size->width,
      .ws_ypixel = size->height,
  };
  return ioctl(terminal, TIOCSWINSZ, &window) < 0 ? -errno : 0;
}

int telpher_get_terminal_size(int terminal, struct telpher_terminal_size *size) {
  struct winsize window;
  if (ioctl(terminal, TIOCGWINSZ, &window) < 0) return -errno;
  size->rows = window.ws_row;
  size->columns = window.ws_col;
  size->width = window.ws_xpixel;
  size->height = window.ws_ypixel;
  return 0;
}

int telpher_terminal_end_of_file(int terminal) {
  struct termios attributes;
  if (tcgetattr(terminal, &attributes) < 0 || !(attributes.c_lflag & ICANON)) return -1;
  cc_t character = attributes.c_cc[VEOF];
  return character == _POSIX_VDISABLE ? -1 : character;
}
