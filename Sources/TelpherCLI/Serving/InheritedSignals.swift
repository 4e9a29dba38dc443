internal import Glibc

/// Resets the signal mask and dispositions that this process inherited: its parent may have blocked
/// or ignored signals that this program needs.
enum InheritedSignals {
  /// Signals that stay ignored if they were inherited so: with nohup(1) or a shell's background
  /// job, the parent wants this process to outlive its terminal.
  private static let kept = [SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU]
  /// Signals that a failed write causes: to a closed connection, and past the limit of a file's
  /// size. They are ignored, so that the write fails with EPIPE or EFBIG and the process does not
  /// end.
  private static let errors = [SIGPIPE, SIGXFSZ]

  /// Unblocks all signals. Called on the first thread before there are others: they inherit its
  /// mask.
  static func unblockAll() {
    var none = sigset_t()
    sigemptyset(&none)
    pthread_sigmask(SIG_SETMASK, &none, nil)
  }

  /// Gives each signal the disposition that a server needs. SIGINT and SIGTERM are caught later.
  static func setDispositions() {
    for number in 1..<firstRealTimeSignal where number != SIGKILL && number != SIGSTOP {
      if errors.contains(number) {
        signal(number, SIG_IGN)
      } else if !kept.contains(number) {
        signal(number, SIG_DFL)
      }
    }
  }

  /// The first real-time signal (signal(7)); these have no predefined meaning.
  private static let firstRealTimeSignal: Int32 = 32
}
