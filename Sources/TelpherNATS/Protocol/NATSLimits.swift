/// What a NATS server may send at most, and how long it may take.
package enum NATSLimits {
  /// The most bytes of one line, without its end. A server's longest line is INFO, which lists the
  /// addresses of its cluster; lines of messages have at most 4 KiB (max_control_line).
  package static let line = 65_536
  /// The most bytes of one message with its headers: 8 times the servers' default (max_payload).
  package static let message = 8 << 20
  /// The most fields of one message's headers. JetStream sends fewer than 10.
  package static let headerFields = 256
  /// The most bytes of a subject or of a reply subject.
  package static let subject = 4_096
  /// The most nested arrays and objects in JSON from a server; an API answer has 6.
  package static let jsonDepth = 32
  /// The most bytes of a server's error text that are kept.
  package static let errorText = 512
  /// The most bytes that wait for the socket. More are sent only when there is room again.
  package static let waitingBytes = 4 << 20
  /// The most requests and waiting senders at once: memory for 64 times as many as a worker needs.
  package static let waiters = 65_536
  /// How long a server may take to accept a connection and complete its greeting, in nanoseconds.
  package static let greeting: UInt64 = 5_000_000_000
  /// How many PINGs of this side may be without an answer before the connection counts as lost.
  package static let unansweredPings = 2
}
