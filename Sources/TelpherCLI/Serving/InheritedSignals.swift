internal import Glibc

/// The signal mask and dispositions that a process inherits from its parent, which may have blocked or
/// ignored what this program lives by.
enum InheritedSignals {
  /// Signals whose inherited "ignored" is kept: the parent says that this process is to outlive its
  /// terminal (nohup(1), a shell's background jobs).
  private static let kept = [SIGHUP, SIGINT, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU]
  /// Signals that are errors of the call that caused them: a write to a peer that is gone, and one
  /// past the limit of a file's size. Their default action would end the whole process.
  private static let errors = [SIGPIPE, SIGXFSZ]

  /// Blocks no signal. To be called on the first thread, before there are others, which inherit its
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

  /// From here on signals have no meaning of their own: signal(7).
  private static let firstRealTimeSignal: Int32 = 32
}
