import Glibc

/// A shell command, and a second one (`waiter`) whose result arrives only after the first command
/// has ended and its drain is over. With it a test need not guess how long that takes.
package final class EndedCommand: Sendable {
  /// The shell line of the command.
  package let line: String
  /// The file to which the command writes its process id when it ends.
  private let file: String

  /// Creates a command that runs `line` and ends with status 0.
  package init(_ line: String) {
    file = "/tmp/telpher-ended-\(UInt64.random(in: 0 ... .max))"
    self.line = "\(line); echo $$ >\(file).new; mv \(file).new \(file)"
  }

  deinit { unlink(file) }

  /// Returns a shell line that ends when the process `pid` has ended. The process may still be a
  /// zombie: a server does not reap a command before its outputs have ended.
  package static func wait(for pid: String) -> String {
    "while grep -qs '^State:.[^ZX]' /proc/\(pid)/status; do sleep 0.01; done"
  }

  /// The shell line of a command that ends after the other and leaves its output open. Run it on
  /// the same server with the same drain or a longer one. Its result then arrives after its own
  /// drain, which began after the drain of the other command.
  package var waiter: String {
    """
    until [ -e \(file) ]; do sleep 0.01; done
    \(Self.wait(for: "$(cat \(file))"))
    sleep 5 &
    """
  }
}
