import Glibc

/// A command whose end another one waits for, and the end of its drain, so that a test need not guess
/// how long that takes.
public final class EndedCommand: Sendable {
  /// The line of the command, for a shell.
  public let line: String
  /// Where the command leaves its process id when it ends.
  private let file: String

  /// A command that does what `line` says, and ends with status 0.
  public init(_ line: String) {
    file = "/tmp/telpher-ended-\(UInt64.random(in: 0 ... .max))"
    self.line = "\(line); echo $$ >\(file).new; mv \(file).new \(file)"
  }

  deinit { unlink(file) }

  /// A line of shell that is over when the process `pid` has ended. It may still be a zombie: a server
  /// keeps it as one as long as its output is open.
  public static func wait(for pid: String) -> String {
    "while grep -qs '^State:.[^ZX]' /proc/\(pid)/status; do sleep 0.01; done"
  }

  /// A line for a command of the same server and with the same drain, or a longer one. It ends
  /// behind the other, and leaves its output open. So its result comes behind its own drain, which
  /// began behind the other's.
  public var waiter: String {
    """
    until [ -e \(file) ]; do sleep 0.01; done
    \(Self.wait(for: "$(cat \(file))"))
    sleep 5 &
    """
  }
}
