internal import CTelpherSys
internal import Glibc
package import TelpherTransport

/// Calls on the master side of a pseudoterminal (pty(7)): the side of the process that shows the
/// terminal to a user. May be used from any thread.
package enum TerminalMaster {
  /// Opens a terminal of this size. Both descriptors are close-on-exec, and the master's is
  /// nonblocking.
  ///
  /// - Throws: `ErrorNumber`: ENOSPC if the system has too many terminals, EMFILE, ...
  static func open(_ size: TerminalSize) throws(ErrorNumber) -> (master: Int32, slave: Int32) {
    var size = telpher_terminal_size(size)
    var slave: Int32 = -1
    let master = telpher_open_terminal(&size, &slave)
    guard master >= 0 else { throw ErrorNumber(-master) }
    return (master, slave)
  }

  /// A second descriptor of the same master side, close-on-exec.
  static func duplicate(_ master: Int32) throws(ErrorNumber) -> Int32 {
    let copy = telpher_duplicate(master, 0)
    guard copy >= 0 else { throw ErrorNumber(-copy) }
    return copy
  }

  /// Sets the terminal's size; its foreground process group gets SIGWINCH.
  package static func resize(_ master: Int32, to size: TerminalSize) {
    var size = telpher_terminal_size(size)
    _ = telpher_set_terminal_size(master, &size)
  }

  /// The character that the terminal takes as the end of the input now; nil if it does not read
  /// lines.
  package static func endOfFile(of master: Int32) -> UInt8? {
    UInt8(exactly: telpher_terminal_end_of_file(master))
  }
}

extension telpher_terminal_size {
  fileprivate init(_ size: TerminalSize) {
    self.init(
      rows: size.rows, columns: size.columns, width: size.pixelWidth, height: size.pixelHeight)
  }
}

extension SpawnRequest {
  /// Checks that the request asks for no terminal, for a launch by a library that can't give a child
  /// a controlling terminal.
  ///
  /// - Throws: `SpawnError` with `ENOTSUP` if it asks for one.
  package func checkNeedsNoTerminal() throws(SpawnError) {
    guard terminal != nil else { return }
    throw SpawnError(
      stage: .resources, errno: ENOTSUP,
      message: "the server can't open a terminal: it starts processes by a library that has none")
  }
}
