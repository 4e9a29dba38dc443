internal import CTelpherSys
internal import Glibc
internal import TelpherClient
internal import TelpherTransport

/// The terminal on this process's standard input, while a command runs on a terminal of the server.
/// In raw mode it passes each key on as it is. May be used from any thread.
struct LocalTerminal: Sendable {
  private let descriptor = STDIN_FILENO

  /// - Throws: `Failure` if standard input is not a terminal.
  init() throws(Failure) {
    guard isatty(descriptor) == 1 else {
      throw Failure(
        "-t needs a terminal as standard input: leave -t out, and use -i alone for a pipe or a file",
        kind: "no_terminal")
    }
  }

  /// The size of the terminal now.
  var size: TerminalSize {
    var size = telpher_terminal_size()
    guard telpher_get_terminal_size(descriptor, &size) >= 0 else {
      return TerminalSize(rows: 0, columns: 0)
    }
    return TerminalSize(
      rows: size.rows, columns: size.columns, pixelWidth: size.width, pixelHeight: size.height)
  }

  /// Puts the terminal into raw mode. Its attributes are restored by `leaveRawMode()`, and by a
  /// second process if this one is killed.
  ///
  /// - Throws: `Failure` if the terminal can't be set up.
  func enterRawMode() throws(Failure) {
    let result = telpher_enter_raw_mode(descriptor)
    guard result >= 0 else {
      throw Failure("cannot set up the terminal: \(describe(errno: -result))", kind: "no_terminal")
    }
  }

  /// Restores the terminal. Call it before this process prints a message or ends. Does nothing if it
  /// is not in raw mode.
  static func leaveRawMode() { telpher_leave_raw_mode() }

  /// Stops this process as Ctrl-Z stops a program, with the terminal restored, until it is continued.
  func suspend() {
    Self.leaveRawMode()
    var byDefault = sigaction()
    var before = sigaction()
    sigaction(SIGTSTP, &byDefault, &before)
    // The process stops here. The kernel ignores the signal if no shell could continue the process.
    kill(getpid(), SIGTSTP)
    sigaction(SIGTSTP, &before, nil)
    try? enterRawMode()
  }
}
