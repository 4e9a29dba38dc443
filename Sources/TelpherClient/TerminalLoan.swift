internal import Glibc

/// This process's terminal, lent to ssh while that may ask for a password.
///
/// ssh leads a process group of its own, so that Ctrl-C does not end it with the connection. Only the
/// group in the foreground may read the terminal, so ssh's is put there until it has logged in.
struct TerminalLoan {
  private let terminal: Int32

  /// - Returns: nil if there is no terminal, or this process is not in its foreground.
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
    // It may have asked before, which stops a process in the background.
    kill(-group, SIGCONT)
  }

  /// Puts this process back into the foreground, unless something else was put there than `group`.
  /// The last call.
  func takeBack(from group: pid_t?) {
    if tcgetpgrp(terminal) == group { setForeground(getpgrp()) }
    close(terminal)
  }

  private func setForeground(_ group: pid_t) {
    // The kernel stops a process in the background that changes the foreground, unless it blocks
    // SIGTTOU.
    var blocked = sigset_t()
    var before = sigset_t()
    sigemptyset(&blocked)
    sigaddset(&blocked, SIGTTOU)
    pthread_sigmask(SIG_BLOCK, &blocked, &before)
    _ = tcsetpgrp(terminal, group)
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
}
