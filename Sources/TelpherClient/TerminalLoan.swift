internal import Glibc

/// Gives the terminal of this process to ssh while ssh may ask for a password.
///
/// ssh leads its own process group, so that Ctrl-C does not end the connection. Only the foreground
/// process group may read from the terminal, so ssh's group is in the foreground until it has
/// logged in.
struct TerminalLoan {
  private let terminal: Int32

  /// - Returns: nil if there is no terminal, or if this process is in its background.
  init?() {
    let terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)
    guard terminal >= 0 else { return nil }
    guard tcgetpgrp(terminal) == getpgrp() else {
      close(terminal)
      return nil
    }
    self.terminal = terminal
  }

  /// Puts `group` into the foreground.
  func lend(to group: pid_t) {
    setForeground(group)
    // ssh may have tried to read the terminal before, and been stopped for that.
    kill(-group, SIGCONT)
  }

  /// Puts this process back into the foreground if `group` is still there, and closes the terminal.
  /// Call it once, at the end.
  func takeBack(from group: pid_t?) {
    if tcgetpgrp(terminal) == group { setForeground(getpgrp()) }
    close(terminal)
  }

  private func setForeground(_ group: pid_t) {
    // Block SIGTTOU: otherwise it stops a background process that changes the foreground group.
    var blocked = sigset_t()
    var before = sigset_t()
    sigemptyset(&blocked)
    sigaddset(&blocked, SIGTTOU)
    pthread_sigmask(SIG_BLOCK, &blocked, &before)
    _ = tcsetpgrp(terminal, group)
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
}
